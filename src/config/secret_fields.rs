//! `[secret]` and `[secret.fields]`: what a secret looks like, and how Vault shall keep it.

use std::sync::Arc;

use super::Write;
use super::error::Complaint;
use super::reader::{Report, Section};
use super::sources::{Layer, Sources};
use super::value::Given;
use crate::domain::secret::FIELDS;
use crate::domain::shape::{FieldTemplate, Shape};

/// More than anybody can look through.
const MOST_VERSIONS: u32 = 100_000;

/// `[secret]`
#[derive(Debug, Clone, Default)]
pub struct SecretRules {
    /// Which fields it has.
    pub shape: Arc<Shape>,
    /// How many versions Vault keeps of it, if that is not left to the mount.
    pub max_versions: Option<u32>,
    /// Whether Vault refuses writes to it without a check-and-set, if that is not left to the mount.
    pub cas_required: Option<bool>,
}

/// `write` says what the standard fields begin with.
pub(super) fn section(sources: &Sources, report: &mut Report, write: Option<&Write>) -> Option<SecretRules> {
    let mut section = Section::open(sources, "secret");
    section.holds(&["fields"]);
    let max_versions = section.optional("max_versions", |given| {
        alone(write).and_then(|()| match u32::try_from(given.integer()?) {
            Ok(number @ 1..=MOST_VERSIONS) => Ok(number),
            _ => Err(Complaint::new("is out of range", format!("write a number from 1 to {MOST_VERSIONS}"))),
        })
    });
    let cas_required = section.optional("cas_required", |given| alone(write).and_then(|()| given.switch()));
    let sound = section.is_sound();
    section.finish(report);
    let shape = shape(sources, report, write)?;
    sound.then_some(SecretRules { shape: Arc::new(shape), max_versions, cas_required })
}

/// Whether secrets have no other owners, whose versions would go and whose writes would be refused.
fn alone(write: Option<&Write>) -> Result<(), Complaint> {
    match write {
        Some(Write::Merge { .. }) => Err(Complaint::new(
            r#"would bind the other owners of a secret, with write = "merge""#,
            "remove it, and leave that to the mount or to who made the secret",
        )),
        Some(Write::Replace) | None => Ok(()),
    }
}

fn shape(sources: &Sources, report: &mut Report, write: Option<&Write>) -> Option<Shape> {
    let mut section = Section::open(sources, "secret.fields");
    let fields = section.each(|name, given| field(name, given, write));
    let shape = fields.and_then(|fields| {
        Shape::new(fields).map_err(|error| section.complain("api_key", Complaint::of(&error))).ok()
    });
    section.finish(report);
    shape
}

fn field(name: &str, given: &mut Given<'_>, write: Option<&Write>) -> Result<FieldTemplate, Complaint> {
    let template = Shape::check(name, given.text()?).map_err(|error| Complaint::of(&error))?;
    if given.layer == Layer::Variable {
        return Err(Complaint::new(
            "is set by a variable, which cannot tell capitals from small letters",
            "write it under [secret.fields] in the file",
        ));
    }
    if let Some(Write::Merge { prefix }) = write
        && name.strip_prefix(prefix).is_some_and(|rest| FIELDS.contains(&rest))
    {
        return Err(Complaint::new(
            format!("is, with vault.field_prefix = {prefix:?}, the name of a standard field"),
            "choose another name",
        ));
    }
    Ok(template)
}
