//! Links the binary so that it starts with less: its half million relative relocations as a bitmap (RELR) of a few hundred
//! KB instead of a table of 6.7 MB, all of which the loader reads and keeps resident.

use std::env;

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    let is = |name: &str, value: &str| {
        env::var(format!("CARGO_CFG_TARGET_{name}")).is_ok_and(|found| found == value)
    };
    // rustc links this target with its own lld, which knows the option; the C library's loader knows RELR since 2.36.
    if is("OS", "linux") && is("ENV", "gnu") && is("ARCH", "x86_64") && host_glibc() >= Some((2, 36)) {
        println!("cargo:rustc-link-arg-bins=-Wl,-z,pack-relative-relocs");
    }
}

/// Version of the C library here, which is taken for the one that the binary will run with.
fn host_glibc() -> Option<(u32, u32)> {
    let output = std::process::Command::new("getconf").arg("GNU_LIBC_VERSION").output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let (major, minor) = text.trim().strip_prefix("glibc ")?.split_once('.')?;
    Some((major.parse().ok()?, minor.split('.').next()?.parse().ok()?))
}
