//! Owns: the translation of `slint/` into Rust, with faces, icons and translations inside the binary.
//! Never: reads the network or the machine's own fonts; lets an unreviewed sentence of legal weight into the binary.
//! Called by: cargo.

#[path = "lang/catalog.rs"]
#[allow(dead_code, reason = "the tests use the rest")]
mod catalog;

use std::error::Error;
use std::path::{Path, PathBuf};

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=lang");
    let out = PathBuf::from(std::env::var("OUT_DIR")?).join("lang");
    let _ = std::fs::remove_dir_all(&out);
    for language in std::fs::read_dir("lang")? {
        let language = language?.path();
        let Some(tag) = language.file_name().filter(|_| language.is_dir()) else { continue };
        let (head, entries) = read(&language.join("LC_MESSAGES/parloir-ui.po"))?;
        let shown: Vec<_> = entries.into_iter().filter(catalog::Entry::may_be_shown).collect();
        write(&out.join(tag), &catalog::print(&head, &shown))?;
    }
    if std::env::var_os("CARGO_FEATURE_BENCH").is_some() {
        let (_, entries) = read(Path::new("lang/parloir-ui.pot"))?;
        let head = "msgid \"\"\nmsgstr \"\"\n\"Language: en-XA\\n\"\n\"Content-Type: text/plain; charset=UTF-8\\n\"\n\"Plural-Forms: nplurals=2; plural=(n != 1);\\n\"\n";
        write(&out.join("en-XA"), &catalog::print(head, &catalog::pseudo(&entries)))?;
    }
    let config = slint_build::CompilerConfiguration::new()
        .embed_resources(slint_build::EmbedResourcesKind::EmbedFiles)
        .with_default_translation_context(slint_build::DefaultTranslationContext::None)
        .with_bundled_translations(out);
    Ok(slint_build::compile_with_config("slint/app.slint", config)?)
}

fn read(path: &Path) -> Result<(String, Vec<catalog::Entry>), Box<dyn Error>> {
    let text = std::fs::read_to_string(path).map_err(|e| format!("{}: {e}", path.display()))?;
    Ok(catalog::parse(&text).map_err(|e| format!("{}: {e}", path.display()))?)
}

fn write(language: &Path, text: &str) -> std::io::Result<()> {
    let directory = language.join("LC_MESSAGES");
    std::fs::create_dir_all(&directory)?;
    std::fs::write(directory.join("parloir-ui.po"), text)
}
