//! Owns: the translation of `slint/` into Rust, with faces, icons and translations inside the binary.
//! Never: reads the network or the machine's own fonts.
//! Called by: cargo.

fn main() -> Result<(), slint_build::CompileError> {
    let config = slint_build::CompilerConfiguration::new()
        .embed_resources(slint_build::EmbedResourcesKind::EmbedFiles)
        .with_default_translation_context(slint_build::DefaultTranslationContext::None)
        .with_bundled_translations("lang");
    slint_build::compile_with_config("slint/app.slint", config)
}
