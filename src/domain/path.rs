//! Where in Vault a project's secret lives.

use std::fmt;

use super::project::Project;

/// A path inside the KV mount: no empty, `.` or `..` segment, which the HTTP client would resolve
/// silently and so write to somebody else's path.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SecretPath(Box<str>);

/// Why text is not a path, or not a template of one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPath {
    /// An empty, `.` or `..` segment, which includes a slash at either end.
    #[error("{0:?} has an empty, '.' or '..' segment; write it like exceptionless/{{project_id}}")]
    Segment(String),
    /// A character that is not printable.
    #[error("{0:?} contains a control character")]
    Control(String),
    /// A placeholder that does not exist.
    #[error(
        "unknown placeholder {{{0}}}; known are {{project_id}}, {{project_name}}, {{organization_id}} and {{organization_name}}"
    )]
    Placeholder(String),
    /// A brace without its partner.
    #[error("{0:?} has a brace without its partner")]
    Brace(String),
    /// Every project would get the same path.
    #[error("{0:?} names no project, so that all projects would share one path; add {{project_id}}")]
    NoProject(String),
}

impl SecretPath {
    /// Checks a path, given without the mount and without `data/`.
    pub fn parse(text: &str) -> Result<Self, InvalidPath> {
        if text.chars().any(char::is_control) {
            return Err(InvalidPath::Control(text.to_owned()));
        }
        if text.split('/').any(|segment| matches!(segment, "" | "." | "..")) {
            return Err(InvalidPath::Segment(text.to_owned()));
        }
        Ok(Self(text.into()))
    }

    /// The path without the mount.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SecretPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A path with placeholders. Names become slugs; ids stand as they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PathTemplate {
    text: String,
    parts: Vec<Part>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    ProjectId,
    ProjectName,
    OrganizationId,
    OrganizationName,
}

impl PathTemplate {
    /// Reads a template that may stand for many projects, so it must name the project.
    pub fn parse(text: &str) -> Result<Self, InvalidPath> {
        let template = Self::parse_any(text)?;
        let names_project = |part: &Part| matches!(part, Part::ProjectId | Part::ProjectName);
        if template.parts.iter().any(names_project) {
            Ok(template)
        } else {
            Err(InvalidPath::NoProject(text.to_owned()))
        }
    }

    /// Reads a template that may also be one fixed path, as an override for one project may have.
    pub fn parse_any(text: &str) -> Result<Self, InvalidPath> {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some(at) = rest.find(['{', '}']) {
            let (before, from_brace) = rest.split_at(at);
            let unpaired = || InvalidPath::Brace(text.to_owned());
            let inner = from_brace.strip_prefix('{').ok_or_else(unpaired)?;
            let (name, after) = inner.split_once('}').ok_or_else(unpaired)?;
            if !before.is_empty() {
                parts.push(Part::Text(before.to_owned()));
            }
            parts.push(match name {
                "project_id" => Part::ProjectId,
                "project_name" => Part::ProjectName,
                "organization_id" => Part::OrganizationId,
                "organization_name" => Part::OrganizationName,
                other => return Err(InvalidPath::Placeholder(other.to_owned())),
            });
            rest = after;
        }
        if !rest.is_empty() {
            parts.push(Part::Text(rest.to_owned()));
        }
        let template = Self { text: text.to_owned(), parts };
        template.fill(|_| "x".to_owned()).map_err(|error| match error {
            InvalidPath::Segment(_) => InvalidPath::Segment(text.to_owned()),
            InvalidPath::Control(_) => InvalidPath::Control(text.to_owned()),
            other => other,
        })?;
        Ok(template)
    }

    /// The path of a project. It fails only when a name has no letter or digit to make a slug of.
    pub fn path_for(&self, project: &Project) -> Result<SecretPath, InvalidPath> {
        self.fill(|part| match part {
            Part::Text(text) => text.clone(),
            Part::ProjectId => project.id.to_string(),
            Part::ProjectName => slug(&project.name),
            Part::OrganizationId => project.organization_id.to_string(),
            Part::OrganizationName => slug(&project.organization_name),
        })
    }

    /// The folder below which all paths of this template lie, without a slash at its end; empty when
    /// the first segment already differs from project to project.
    pub fn folder(&self) -> &str {
        let fixed = match self.parts.first() {
            Some(Part::Text(text)) => text.as_str(),
            _ => "",
        };
        fixed.rsplit_once('/').map_or("", |(folder, _)| folder)
    }

    /// Whether no other project can ever have had the path of one: its id is in it.
    pub fn names_id(&self) -> bool {
        self.parts.contains(&Part::ProjectId)
    }

    /// Whether some project could have this path.
    pub fn may_be(&self, path: &SecretPath) -> bool {
        fits(&self.parts, path.as_str())
    }

    fn fill(&self, value: impl Fn(&Part) -> String) -> Result<SecretPath, InvalidPath> {
        let text: String = self
            .parts
            .iter()
            .map(|part| if let Part::Text(text) = part { text.clone() } else { value(part) })
            .collect();
        SecretPath::parse(&text)
    }
}

impl fmt::Display for PathTemplate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Whether text can come of these parts. What stands for a placeholder is never empty and has no slash.
fn fits(parts: &[Part], text: &str) -> bool {
    match parts {
        [] => text.is_empty(),
        [Part::Text(fixed), rest @ ..] => {
            text.strip_prefix(fixed.as_str()).is_some_and(|text| fits(rest, text))
        }
        [_, rest @ ..] => {
            let segment = text.find('/').unwrap_or(text.len());
            let ends = text.char_indices().map(|(at, letter)| at + letter.len_utf8());
            ends.take_while(|end| *end <= segment).any(|end| fits(rest, &text[end..]))
        }
    }
}

/// A name as a path segment: lower-case letters and digits, everything else a single dash.
fn slug(name: &str) -> String {
    let mut slug = String::with_capacity(name.len());
    for c in name.chars().flat_map(char::to_lowercase) {
        if c.is_alphanumeric() {
            slug.push(c);
        } else if !slug.is_empty() && !slug.ends_with('-') {
            slug.push('-');
        }
    }
    slug.truncate(slug.trim_end_matches('-').len());
    slug
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ids::{OrganizationId, ProjectId};

    fn project(name: &str) -> Project {
        Project {
            id: ProjectId::parse("64f0c0ffee00000000000100").expect("an id"),
            name: name.to_owned(),
            organization_id: OrganizationId::parse("64f0c0ffee00000000000010").expect("an id"),
            organization_name: "Acme & Söhne".into(),
        }
    }

    #[test]
    fn names_become_slugs_and_ids_stay() {
        let template =
            PathTemplate::parse("apps/{organization_name}/{project_name}-{project_id}").expect("a template");
        let path = template.path_for(&project("Billing  API (v2)!")).expect("a path");
        assert_eq!(path.as_str(), "apps/acme-söhne/billing-api-v2-64f0c0ffee00000000000100");
        assert_eq!(template.folder(), "apps");
    }

    #[test]
    fn a_name_cannot_climb_out_of_its_folder() {
        let template = PathTemplate::parse("apps/{project_name}").expect("a template");
        assert_eq!(template.path_for(&project("../../sys")).expect("a path").as_str(), "apps/sys");
        assert!(matches!(template.path_for(&project("..")), Err(InvalidPath::Segment(_))));
    }

    #[test]
    fn each_mistake_in_a_template_is_named() {
        let error = |text: &str| PathTemplate::parse(text).expect_err("a mistake");
        assert_eq!(error("a/{project}"), InvalidPath::Placeholder("project".into()));
        assert_eq!(error("a/{project_id"), InvalidPath::Brace("a/{project_id".into()));
        assert_eq!(error("a/project_id}"), InvalidPath::Brace("a/project_id}".into()));
        assert_eq!(error("a//{project_id}"), InvalidPath::Segment("a//{project_id}".into()));
        assert_eq!(error("/{project_id}"), InvalidPath::Segment("/{project_id}".into()));
        assert_eq!(error("a/../{project_id}"), InvalidPath::Segment("a/../{project_id}".into()));
        assert_eq!(error("a/b"), InvalidPath::NoProject("a/b".into()));
        assert!(PathTemplate::parse_any("a/b").is_ok());
    }

    #[test]
    fn a_path_that_no_project_can_have_is_told_from_one_that_some_may() {
        for (template, path, may) in [
            ("exceptionless/{project_id}", "exceptionless-rotator/leader", false),
            ("exceptionless/{project_id}", "exceptionless/leader", true),
            ("exceptionless/{project_id}", "exceptionless/locks/leader", false),
            ("{organization_name}/{project_name}", "exceptionless-rotator/leader", true),
            ("{project_id}", "exceptionless-rotator/leader", false),
            ("{project_name}-key", "über-key", true),
            ("{project_name}-key", "-key", false),
            ("a/{organization_id}-{project_id}/key", "a/b-c/key", true),
            ("a/{organization_id}-{project_id}/key", "a/b/key", false),
        ] {
            let template = PathTemplate::parse(template).expect("a template");
            let path = SecretPath::parse(path).expect("a path");
            assert_eq!(template.may_be(&path), may, "{template} {path}");
        }
    }

    #[test]
    fn a_template_without_a_fixed_folder_has_none() {
        assert_eq!(PathTemplate::parse("{project_id}").expect("a template").folder(), "");
        assert_eq!(PathTemplate::parse("a-{project_id}").expect("a template").folder(), "");
    }
}
