//! The profiles and maps: those that are part of the program, and an operator's own.

use crate::{
    error::FirmwareError,
    profile::{FILE_BYTES_MAX, Profile},
    vendor::{STANDARD, VendorMap},
};
use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::Read,
    path::{Path, PathBuf},
};

/// The files of `profiles/` and `vendors/`, by their names.
macro_rules! shipped {
    ($folder:literal: $($name:literal),*) => {
        &[$(($name, include_str!(concat!("../", $folder, "/", $name, ".toml")))),*]
    };
}

const PROFILES: &[(&str, &str)] = shipped!("profiles": "dell", "generic", "gigabyte", "hpe", "supermicro");
const VENDORS: &[(&str, &str)] = shipped!("vendors": "dell", "gigabyte", "hpe", "standard", "supermicro");

/// Most files of an operator's own folder.
const FILES_MAX: usize = 64;

/// All profiles and maps.
#[derive(Clone, Debug)]
pub struct Catalog {
    profiles: BTreeMap<String, Profile>,
    vendors: BTreeMap<String, VendorMap>,
}

impl Catalog {
    /// What is part of the program.
    ///
    /// # Errors
    /// Never with the files that a test has read; their types say that they could.
    pub fn shipped() -> Result<Self, FirmwareError> {
        let mut catalog = Self { profiles: BTreeMap::new(), vendors: BTreeMap::new() };
        for (name, text) in PROFILES {
            catalog.add_profile(&PathBuf::from(format!("profiles/{name}.toml")), text)?;
        }
        for (name, text) in VENDORS {
            catalog.add_vendor(&PathBuf::from(format!("vendors/{name}.toml")), text)?;
        }
        Ok(catalog)
    }

    /// What is part of the program, and the files in `profiles/` and `vendors/` of a folder, which win over files of the same name.
    ///
    /// # Errors
    /// When one of them cannot be read, or is none; and when the folder has neither.
    pub fn with(folder: &Path) -> Result<Self, FirmwareError> {
        let mut catalog = Self::shipped()?;
        let (profiles, vendors) = (toml_files(&folder.join("profiles"))?, toml_files(&folder.join("vendors"))?);
        if profiles.is_empty() && vendors.is_empty() {
            let reason = "expected .toml files in profiles/ or vendors/, found none";
            return Err(FirmwareError::invalid(folder.display().to_string(), reason));
        }
        for file in profiles {
            catalog.add_profile(&file, &text_of(&file)?)?;
        }
        for file in vendors {
            catalog.add_vendor(&file, &text_of(&file)?)?;
        }
        Ok(catalog)
    }

    fn add_profile(&mut self, file: &Path, text: &str) -> Result<(), FirmwareError> {
        let profile = Profile::parse(file, text)?;
        named_as(file, &profile.name)?;
        self.profiles.insert(profile.name.clone(), profile);
        Ok(())
    }

    fn add_vendor(&mut self, file: &Path, text: &str) -> Result<(), FirmwareError> {
        let map = VendorMap::parse(file, text)?;
        named_as(file, &map.name)?;
        self.vendors.insert(map.name.clone(), map);
        Ok(())
    }

    /// A profile by its name, or by the path of its file, with what it extends.
    ///
    /// # Errors
    /// When there is none, or when what it names is missing.
    pub fn profile(&self, name: &str) -> Result<Profile, FirmwareError> {
        let mut profile = if name.ends_with(".toml") {
            let file = Path::new(name);
            Profile::parse(file, &text_of(file)?)?
        } else {
            self.named(name)?.clone()
        };
        if let Some(base) = profile.extends.clone() {
            let base = self.named(&base)?.clone();
            if base.extends.is_some() {
                let reason = format!("extends {:?}, which extends another: one step is all", base.name);
                return Err(FirmwareError::invalid(format!("profile {:?}", profile.name), reason));
            }
            profile.extend(base);
        }
        if let Some(vendor) = profile.vendor.as_ref().filter(|vendor| !self.vendors.contains_key(*vendor)) {
            let known: Vec<_> = self.vendors.keys().map(String::as_str).collect();
            let reason = format!("vendor: expected one of {}, got {vendor:?}", known.join(", "));
            return Err(FirmwareError::invalid(format!("profile {:?}", profile.name), reason));
        }
        Ok(profile)
    }

    fn named(&self, name: &str) -> Result<&Profile, FirmwareError> {
        self.profiles.get(name).ok_or_else(|| FirmwareError::UnknownProfile {
            name: name.to_owned(),
            known: self.profiles.keys().cloned().collect(),
        })
    }

    /// All profiles' names.
    pub fn profiles(&self) -> impl Iterator<Item = &str> {
        self.profiles.keys().map(String::as_str)
    }

    /// All maps.
    pub fn vendors(&self) -> impl Iterator<Item = &VendorMap> {
        self.vendors.values()
    }

    /// The map for a machine, if the profile is for it.
    ///
    /// # Errors
    /// When the profile is another vendor's, and when the service root names a vendor that the machine's map does not know but
    /// another one does.
    pub fn map(&self, profile: &Profile, maker: &Maker) -> Result<&VendorMap, FirmwareError> {
        let claimed = self.vendors.values().find(|map| map.claims(&maker.manufacturer));
        if let Some(service) = maker.service_vendor.as_deref() {
            let own = claimed.is_some_and(|map| map.claims_service(service));
            if !own && self.vendors.values().any(|map| map.claims(service)) {
                return Err(FirmwareError::VendorsDisagree {
                    service: service.to_owned(),
                    manufacturer: maker.manufacturer.clone(),
                });
            }
        }
        let map = claimed.or_else(|| self.vendors.get(STANDARD)).ok_or_else(|| {
            FirmwareError::invalid("vendors/", format!("expected the map {STANDARD:?}, which is part of the program"))
        })?;
        match &profile.vendor {
            Some(expected) if *expected != map.name => Err(FirmwareError::WrongVendor {
                profile: profile.name.clone(),
                expected: expected.clone(),
                got: maker.manufacturer.clone(),
            }),
            _ => Ok(map),
        }
    }
}

/// Who made a machine, by what its BMC says in two places.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Maker {
    /// The service root's `Vendor`.
    pub service_vendor: Option<String>,
    /// The system's `Manufacturer`.
    pub manufacturer: String,
}

fn named_as(file: &Path, name: &str) -> Result<(), FirmwareError> {
    let stem = file.file_stem().and_then(|stem| stem.to_str());
    if stem == Some(name) {
        return Ok(());
    }
    let reason = format!("name: expected the file's, {:?}, got {name:?}", stem.unwrap_or_default());
    Err(FirmwareError::invalid(file.display().to_string(), reason))
}

/// The `.toml` files of a folder, in order; none when there is no such folder.
fn toml_files(folder: &Path) -> Result<Vec<PathBuf>, FirmwareError> {
    let failed = |source| FirmwareError::Read { file: folder.to_path_buf(), source };
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(failed)?,
    };
    let mut files = Vec::new();
    for entry in entries {
        let path = entry.map_err(failed)?.path();
        if path.extension().is_some_and(|extension| extension == "toml") {
            files.push(path);
        }
        if files.len() > FILES_MAX {
            let reason = format!("expected at most {FILES_MAX} files");
            return Err(FirmwareError::invalid(folder.display().to_string(), reason));
        }
    }
    files.sort();
    Ok(files)
}

/// A file's text, if it is no longer than such a file is.
pub(crate) fn text_of(file: &Path) -> Result<String, FirmwareError> {
    let failed = |source| FirmwareError::Read { file: file.to_path_buf(), source };
    let mut text = String::new();
    let opened = File::open(file).map_err(failed)?;
    opened.take(FILE_BYTES_MAX + 1).read_to_string(&mut text).map_err(failed)?;
    if text.len() as u64 > FILE_BYTES_MAX {
        let reason = format!("expected at most {FILE_BYTES_MAX} bytes");
        return Err(FirmwareError::invalid(file.display().to_string(), reason));
    }
    Ok(text)
}
