//! Where a network runs: the one place that names Burn's backends.

use crate::error::NnError;
use burn::backend::DispatchDevice;
use burn::tensor::Device;

/// Parses `cpu`, `cuda:0`, `wgpu`, `wgpu:0`.
///
/// `cuda` is `cuda:0`; `wgpu` is the graphics processor the system prefers, integrated ones included, and `wgpu:N` the
/// discrete one of number N.
///
/// # Errors
/// [`NnError::Device`] for a name that is not understood, or a backend this binary was built without.
pub fn parse(name: &str) -> Result<Device, NnError> {
    let fail = |reason: &str| NnError::Device {
        name: name.to_string(),
        reason: reason.to_string(),
    };
    let (kind, number) = match name.split_once(':') {
        Some((kind, number)) => {
            let number = number.parse::<usize>();
            (
                kind,
                Some(number.map_err(|_| fail("the number after ':' is no device index"))?),
            )
        }
        None => (name, None),
    };
    match kind {
        "cpu" if number.is_none_or(|n| n == 0) => Ok(Device::flex()),
        "cpu" => Err(fail(
            "there is one CPU device, 'cpu'; the number of threads is set by --threads",
        )),
        #[cfg(feature = "cuda")]
        "cuda" => open(name, || Device::cuda(number.unwrap_or(0))),
        #[cfg(not(feature = "cuda"))]
        "cuda" => Err(fail("this binary was built without CUDA; build with `--features cuda`")),
        #[cfg(feature = "wgpu")]
        "wgpu" => open(name, || {
            use burn::tensor::DeviceKind;
            Device::wgpu(number.map_or(DeviceKind::DefaultDevice, DeviceKind::DiscreteGpu))
        }),
        #[cfg(not(feature = "wgpu"))]
        "wgpu" => Err(fail("this binary was built without wgpu; build with `--features wgpu`")),
        _ => Err(fail("known devices are cpu, cuda:N, wgpu:N")),
    }
}

/// Opens a GPU by running a small sum on it. Burn panics where a driver or a library is missing; a user who typed
/// `--device cuda:0` on a machine without one is owed a sentence instead.
#[cfg(any(feature = "cuda", feature = "wgpu"))]
fn open(name: &str, device: impl FnOnce() -> Device + std::panic::UnwindSafe) -> Result<Device, NnError> {
    let quiet = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let opened = std::panic::catch_unwind(|| {
        let device = device();
        let one: Vec<f32> = burn::tensor::Tensor::<1>::ones([1], &device)
            .into_data()
            .convert::<f32>()
            .try_into_vec()
            .unwrap_or_default();
        (one == [1.0]).then_some(device)
    });
    std::panic::set_hook(quiet);
    match opened {
        Ok(Some(device)) => Ok(device),
        _ => Err(NnError::Device {
            name: name.to_string(),
            reason: "it does not answer; is there such a device, and are its driver and libraries installed?".into(),
        }),
    }
}

/// Whether the fused CPU kernels run on this device; all others take the plain-ops path.
pub fn is_fused(device: &Device) -> bool {
    matches!(device.clone().without_autodiff().as_dispatch(), DispatchDevice::Flex(_))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_devices_are_refused_with_the_known_ones() {
        assert!(is_fused(&parse("cpu").unwrap()));
        for bad in ["gpu", "cpu:3", "cuda:x", ""] {
            assert!(parse(bad).is_err(), "{bad}");
        }
        assert!(parse("tpu").unwrap_err().to_string().contains("cuda:N"));
    }
}
