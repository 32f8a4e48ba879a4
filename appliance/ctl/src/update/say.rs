//! Owns: how a bundle is printed.
//! Never: decides.
//! Called by: bundle, verify, inspect.

use std::path::Path;

use serde_json::json;

use super::check::Bundle;

/// Prints a bundle. `sha256` stands only where everything was verified.
pub fn bundle(path: &Path, bundle: &Bundle, sha256: Option<&str>, as_json: bool) {
    if as_json {
        let mut value = json!(bundle);
        value["file"] = json!(path);
        value["verified"] = json!(sha256.is_some());
        value["sha256"] = json!(sha256);
        println!("{value:#}");
        return;
    }
    let manifest = &bundle.manifest;
    println!("file      {}", path.display());
    println!("version   {}", manifest.version);
    println!("for       {}", manifest.compatible);
    if let Some(description) = &manifest.description {
        println!("says      {description}");
    }
    println!("format    {}, {}", manifest.format, mib(bundle.size));
    for image in &manifest.images {
        println!("image     {:<8} {}, sha256 {}", image.class, mib(image.size), image.sha256);
    }
    if let Some(signer) = &bundle.signed_by {
        println!("signed by {}, certificate {} of {}, until {}", signer.subject, signer.serial, signer.issuer, signer.until);
    }
    match sha256 {
        Some(sha256) => println!("verified  signature and every block; sha256 {sha256}"),
        None => println!("not verified: verify does that"),
    }
}

fn mib(bytes: u64) -> String {
    // For people: a tenth of a mebibyte.
    let tenths = (bytes * 10).div_ceil(1 << 20);
    format!("{}.{} MiB", tenths / 10, tenths % 10)
}
