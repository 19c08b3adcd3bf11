//! `schema.json` is made from the types that read the files, so that the two cannot say different things.
#![allow(clippy::unwrap_used)]

use crate::{catalog::Catalog, model::Key, profile::Profile, vendor::VendorMap};
use serde_json::{Value, json};
use std::{fs, path::Path};

/// The schema of both kinds of files, for editors: a file is one or the other.
fn schema() -> String {
    let mut settings = schemars::generate::SchemaSettings::draft2020_12();
    settings.meta_schema = None;
    let mut generator = settings.into_generator();
    let files = [generator.subschema_for::<Profile>(), generator.subschema_for::<VendorMap>()];
    let definitions = generator.take_definitions(true);
    let schema = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A profile or a vendor's map of Sinter's firmware settings",
        "oneOf": files,
        "$defs": definitions,
    });
    format!("{}\n", serde_json::to_string_pretty(&schema).unwrap())
}

#[test]
fn the_schema_is_that_of_the_types() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("schema.json");
    let made = schema();
    if std::env::var_os("SINTER_WRITE_SCHEMA").is_some() {
        fs::write(&file, &made).unwrap();
    }
    let written = fs::read_to_string(&file).unwrap_or_default();
    assert!(written == made, "schema.json is not what the types say: run this test with SINTER_WRITE_SCHEMA=1");
}

/// The files in a folder of this crate, by name.
fn names(folder: &str) -> Vec<String> {
    let entries = fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(folder)).unwrap();
    let mut names: Vec<_> = entries
        .map(|entry| entry.unwrap().path())
        .map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned())
        .collect();
    names.sort();
    names
}

#[test]
fn every_file_is_part_of_the_program_and_valid() {
    let catalog = Catalog::shipped().unwrap();
    assert_eq!(catalog.profiles().collect::<Vec<_>>(), names("profiles"));
    assert_eq!(catalog.vendors().map(|map| map.name.as_str()).collect::<Vec<_>>(), names("vendors"));
    for name in names("profiles") {
        let profile = catalog.profile(&name).unwrap();
        assert!(!profile.settings.is_empty(), "{name} wants nothing");
        assert!(profile.settings.values().all(|setting| !setting.why.is_empty()), "{name} does not say why");
    }
}

/// A vendor's own profile requires nothing that its map cannot do: such a profile could never be applied.
#[test]
fn every_profile_can_be_applied_by_its_map() {
    let catalog = Catalog::shipped().unwrap();
    for name in names("profiles") {
        let profile = catalog.profile(&name).unwrap();
        let maps = catalog.vendors().filter(|map| profile.vendor.as_ref().is_none_or(|vendor| *vendor == map.name));
        for map in maps {
            for (key, setting) in &profile.settings {
                let has_reason = map.unsupported.get(key).is_some_and(|reason| !reason.is_empty());
                assert!(map.settings.contains_key(key) || has_reason, "{name}: {}: {key} has no reason", map.name);
                let is_own = profile.vendor.is_some();
                assert!(
                    !(is_own && setting.required && has_reason),
                    "{name} requires {key}, which {} has not",
                    map.name
                );
            }
        }
    }
}

/// A machine cannot be two vendors'.
#[test]
fn no_manufacturer_is_claimed_twice() {
    let catalog = Catalog::shipped().unwrap();
    for map in catalog.vendors() {
        for manufacturer in &map.manufacturers {
            let claims: Vec<_> = catalog.vendors().filter(|map| map.claims(manufacturer)).collect();
            assert_eq!(claims.len(), 1, "{manufacturer}");
        }
    }
}

/// Every name and value in the maps stands in an excerpt of the vendor's attribute registry, as the test's own file has it.
#[test]
fn every_spelling_is_in_the_vendors_registry() {
    use crate::vendor::Spelling;
    let catalog = Catalog::shipped().unwrap();
    for map in catalog.vendors().filter(|map| !map.manufacturers.is_empty()) {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/registries/{}.json", map.name));
        let registry: Value = serde_json::from_str(&fs::read_to_string(file).unwrap()).unwrap();
        let entries = registry["RegistryEntries"]["Attributes"].as_array().unwrap();
        for (key, spelling) in &map.settings {
            let Spelling::Attribute(attribute) = spelling else { continue };
            for name in &attribute.attributes {
                let found: Vec<_> = entries
                    .iter()
                    .filter(|entry| map.is_named(entry["AttributeName"].as_str().unwrap(), name))
                    .collect();
                assert!(!found.is_empty(), "{}: {key}: no {name} in the registry", map.name);
                for entry in found {
                    let can = |raw: &crate::model::Raw| match raw {
                        crate::model::Raw::Boolean(_) => entry["Type"] == "Boolean",
                        raw => {
                            entry["Value"].as_array().unwrap().iter().any(|value| value["ValueName"] == raw.to_string())
                        }
                    };
                    assert!(attribute.on.iter().any(can), "{}: {key}: {name} has no on", map.name);
                    assert!(attribute.off.iter().any(can), "{}: {key}: {name} has no off", map.name);
                }
            }
            // And no value is in the map that no entry has.
            for raw in attribute.on.iter().chain(&attribute.off) {
                let known = entries.iter().any(|entry| {
                    let is_meant = attribute
                        .attributes
                        .iter()
                        .any(|name| map.is_named(entry["AttributeName"].as_str().unwrap(), name));
                    let values = entry["Value"].as_array().map(Vec::as_slice).unwrap_or_default();
                    let is_switch = entry["Type"] == "Boolean" && matches!(raw, crate::model::Raw::Boolean(_));
                    is_meant && (is_switch || values.iter().any(|value| value["ValueName"] == raw.to_string()))
                });
                assert!(known, "{}: {key}: no machine has {raw}", map.name);
            }
        }
    }
    assert_eq!(Key::ALL.len(), 9, "a new key needs a line in each map");
}
