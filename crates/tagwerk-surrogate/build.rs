//! Tells the compiler whether the sample of a classifier's scores is there to be put into the program.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    // The folder: a file that is not there cannot be watched.
    println!("cargo::rerun-if-changed=../../samples");
    println!("cargo::rustc-check-cfg=cfg(surrogate_sample)");
    if std::path::Path::new("../../samples/surrogate_top.parquet").is_file() {
        println!("cargo::rustc-cfg=surrogate_sample");
    }
}
