//! Where a run comes from: program, data, machine. No names of users, hosts or folders.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Content of `provenance.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Provenance {
    /// Version of the program.
    pub version: String,
    /// Commit the program was built from, where the builder knows it.
    pub git: Option<String>,
    /// Fingerprint of each data file or part, by its name in the catalogue.
    pub data: BTreeMap<String, String>,
    /// The machine.
    pub machine: Machine,
    /// Where the network ran: `cpu`, `cuda:0`, ...
    #[serde(default)]
    pub device: String,
    /// Threads of the processor that the run could use.
    pub threads: usize,
    /// Where the weights come from, if they were not trained here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub imported: Option<ImportedWeights>,
}

/// A file of weights that another program trained.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ImportedWeights {
    /// Name of the file, without its folder.
    pub file: String,
    /// SHA-256 of the file.
    pub sha256: String,
    /// Its format and the program that it is of.
    pub format: String,
    /// What the file does not say and what was chosen among what it says, by name.
    pub choices: BTreeMap<String, String>,
}

/// A machine as far as it matters for speed and bits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Machine {
    /// Processor model, where the system tells.
    pub cpu: Option<String>,
    /// Cores this process may use.
    pub cores: Option<usize>,
    /// Operating system, `linux` for instance.
    pub os: String,
    /// Instruction set, `x86_64` for instance.
    pub architecture: String,
}

impl Machine {
    /// The machine this process runs on.
    pub fn this() -> Self {
        let cpu = std::fs::read_to_string("/proc/cpuinfo")
            .ok()
            .and_then(|text| cpu_model(&text));
        Self {
            cpu,
            cores: std::thread::available_parallelism().ok().map(Into::into),
            os: std::env::consts::OS.to_owned(),
            architecture: std::env::consts::ARCH.to_owned(),
        }
    }
}

fn cpu_model(cpuinfo: &str) -> Option<String> {
    let line = cpuinfo.lines().find(|line| line.starts_with("model name"))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

/// Resident memory of this process in bytes, where the system tells.
pub fn resident_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim()
        .strip_suffix("kB")?
        .trim()
        .parse::<u64>()
        .ok()?
        .checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machine_is_described_without_names() {
        let text = serde_json::to_string(&Machine::this()).unwrap();
        for name in ["HOSTNAME", "USER", "HOME"]
            .iter()
            .filter_map(|v| std::env::var(v).ok())
            .filter(|v| v.len() > 4)
        {
            assert!(!text.contains(&name), "{text} names {name}");
        }
        assert_eq!(
            cpu_model("processor : 0\nmodel name\t: Fast One @ 3 GHz\n").unwrap(),
            "Fast One @ 3 GHz"
        );
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn resident_memory_is_a_plausible_number_of_bytes() {
        let bytes = resident_bytes().unwrap();
        assert!((100_000..1_000_000_000_000).contains(&bytes), "{bytes}");
    }
}
