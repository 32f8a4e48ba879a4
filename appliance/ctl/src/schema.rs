//! Owns: `parloirctl schema`: the published JSON Schemas (2020-12) and examples.
//! Never: a schema that is written by hand.
//! Called by: main.

use std::fs;
use std::path::{Path, PathBuf};

use parloir_issuer::{example::Example, files};
use parloir_pass::{
    Agenda, Ask, Beat, Deny, Entitlement, Export, Grant, Parcel, Receipt, Ring, SignIn, SitePolicy, Statement, Time, Typ,
};
use schemars::{JsonSchema, SchemaGenerator, generate::SchemaSettings};
use serde::Serialize;
use serde_json::{Value, json};

use crate::Fault;

/// Write the JSON Schema and a worked example of every document.
///
/// DIR/NAME.json and DIR/examples/NAME.json, of the payloads; the example of the parcel holds the compact JWS of two.
#[derive(clap::Args)]
pub struct Args {
    /// Directory to write to.
    #[arg(long, value_name = "DIR", default_value = "docs/schema")]
    out: PathBuf,
    /// Say which files were written, as JSON.
    #[arg(long)]
    json: bool,
}

/// Writes all.
pub fn run(args: &Args) -> Result<(), Fault> {
    let out = &args.out;
    let examples = out.join("examples");
    fs::create_dir_all(&examples)
        .map_err(|e| Fault::new(examples.display(), e, "choose a directory that can be made", "File"))?;
    let site = Example::default();
    let receipt = site.receipt()?;
    let parcel = Parcel {
        receipt: site.box_key().sign_receipt(&receipt)?,
        visitor: receipt.visitor_statement.clone(),
        earlier: Vec::new(),
    };
    let mut to = To { out, written: Vec::new() };
    write(&mut to, Typ::Authority.name(), &site.authority()?)?;
    write::<SitePolicy>(&mut to, Typ::Policy.name(), &site.policy())?;
    write::<Entitlement>(&mut to, Typ::Entitlement.name(), &site.person())?;
    write::<Agenda>(&mut to, Typ::Agenda.name(), &site.agenda())?;
    write::<SignIn>(&mut to, Typ::SignIn.name(), &site.sign_in())?;
    write::<Ask>(&mut to, Typ::Ask.name(), &site.ask())?;
    write::<Grant>(&mut to, Typ::Grant.name(), &site.grant())?;
    write::<Ring>(&mut to, Typ::Ring.name(), &site.ring())?;
    write::<Time>(&mut to, Typ::Time.name(), &site.time())?;
    write::<Statement>(&mut to, Typ::Statement.name(), &site.statement())?;
    write::<Beat>(&mut to, Typ::Beat.name(), &site.beat())?;
    write::<Deny>(&mut to, Typ::Deny.name(), &site.deny())?;
    write::<Export>(&mut to, Typ::Export.name(), &site.export())?;
    write::<Receipt>(&mut to, Typ::Receipt.name(), &receipt)?;
    write(&mut to, "parcel", &parcel)?;
    if args.json {
        println!("{}", json!({ "written": to.written }));
    }
    Ok(())
}

/// Where files go, and those that went.
struct To<'a> {
    out: &'a Path,
    written: Vec<PathBuf>,
}

fn write<D: JsonSchema + Serialize>(to: &mut To<'_>, name: &str, example: &D) -> Result<(), Fault> {
    let fault = |e: serde_json::Error| Fault::new(name, e, "report this as a fault of parloirctl", "Internal");
    let schema = serde_json::to_string_pretty(&schema_of::<D>(name)).map_err(fault)?;
    let example = serde_json::to_string_pretty(example).map_err(fault)?;
    for (path, text) in [(format!("{name}.json"), schema), (format!("examples/{name}.json"), example)] {
        let path = to.out.join(path);
        files::write(&path, text + "\n")?;
        to.written.push(path);
    }
    Ok(())
}

fn schema_of<D: JsonSchema>(name: &str) -> Value {
    let generator = SchemaGenerator::new(SchemaSettings::draft2020_12());
    let mut schema = generator.into_root_schema_for::<D>().to_value();
    require_all(&mut schema);
    schema["$id"] = json!(format!("urn:parloir:schema:v1:{name}"));
    if let Some(version) = schema.pointer_mut("/properties/v") {
        *version = json!({ "description": "Version, 1.", "const": 1 });
    }
    schema
}

/// A document that leaves a member out is refused, also where the member may be null: so the schema requires every one.
fn require_all(schema: &mut Value) {
    if let Some(members) = schema.get("properties").and_then(Value::as_object) {
        schema["required"] = members.keys().cloned().collect();
    }
    match schema {
        Value::Object(members) => members.values_mut().for_each(require_all),
        Value::Array(list) => list.iter_mut().for_each(require_all),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
