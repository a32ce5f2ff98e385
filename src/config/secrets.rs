//! Where secrets come from: variables of their own, or files.
//!
//! A relative file name is looked up in `$CREDENTIALS_DIRECTORY`, where systemd puts the credentials of a
//! service, and otherwise in the folder of the configuration file. If both hold a file of that name, the
//! credential wins: systemd protects it better.
//!
//! Each secret is read once here, so that a missing one is reported with everything else, and dropped.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use secrecy::{ExposeSecret, SecretString};

use super::error::{Complaint, Problem};
use super::secret_source::{SecretSource, SecretUnreadable};
use super::sources::{Layer, Place, variable_of};

/// The keys that only a variable can set.
const KEYS: [&str; 6] = [
    "exceptionless.password",
    "exceptionless.token",
    "vault.auth.token",
    "vault.auth.secret_id",
    "vault.auth.jwt",
    "vault.auth.password",
];

/// The variables that hold secrets, and the folders of the files that do.
pub(super) struct Secrets {
    variables: BTreeMap<&'static str, Variable>,
    vault_token: Option<Variable>,
    credentials: Option<PathBuf>,
    folder: PathBuf,
}

#[derive(Clone)]
struct Variable {
    name: String,
    value: SecretString,
}

impl Variable {
    fn source(&self) -> (Place, SecretSource) {
        let source = SecretSource::Environment { variable: self.name.clone(), value: self.value.clone() };
        (Place::variable(&self.name), source)
    }
}

impl Secrets {
    /// Takes the secrets out of the environment.
    pub(super) fn take(
        environment: &mut BTreeMap<String, String>,
        file: &Path,
        problems: &mut Vec<Problem>,
    ) -> Self {
        let mut take = |name: &str| {
            let value = environment.remove(name)?;
            Some(Variable { name: name.to_owned(), value: value.into() })
        };
        let vault_token = take("VAULT_TOKEN");
        let mut variables: BTreeMap<&'static str, Variable> =
            KEYS.iter().filter_map(|key| Some((*key, take(&variable_of(key))?))).collect();
        // Variables of any case count, as everywhere; but one secret is enough.
        let others: Vec<String> = environment.keys().cloned().collect();
        for name in others {
            let Some(key) = KEYS.iter().find(|key| variable_of(key).eq_ignore_ascii_case(&name)) else {
                continue;
            };
            let Some(value) = environment.remove(&name) else { continue };
            let variable = Variable { name: name.clone(), value: value.into() };
            if let Some(twin) = variables.insert(key, variable) {
                let complaint = Complaint::new(
                    format!("means the same variable as {}", twin.name),
                    "keep one of the two",
                );
                problems.push(complaint.at((*key).to_owned(), Some(Place::variable(&name).to_string())));
            }
        }
        Self {
            variables,
            vault_token,
            credentials: environment.get("CREDENTIALS_DIRECTORY").map(PathBuf::from),
            folder: file.parent().map(Path::to_owned).unwrap_or_default(),
        }
    }

    /// The secret that the variable of this key holds.
    pub(super) fn variable(&self, key: &str) -> Option<(Place, SecretSource)> {
        self.variables.get(key).map(Variable::source)
    }

    /// The secret in `VAULT_TOKEN`.
    pub(super) fn vault_token(&self) -> Option<(Place, SecretSource)> {
        self.vault_token.as_ref().map(Variable::source)
    }

    /// Whether a variable sets a secret of this section.
    pub(super) fn speak_of(&self, section: &str) -> bool {
        let inside = |key: &&str| key.strip_prefix(section).is_some_and(|rest| rest.starts_with('.'));
        self.variables.keys().any(inside)
    }

    /// The file that holds a secret.
    pub(super) fn locate(&self, name: &str) -> PathBuf {
        let credential = self.credentials.as_ref().map(|folder| folder.join(name));
        match credential {
            Some(credential) if credential.exists() => credential,
            _ => self.beside_file(name),
        }
    }

    /// A file that is no secret: relative names start at the configuration file.
    pub(super) fn beside_file(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Where [`locate`](Self::locate) looks, for people.
    fn folders(&self) -> String {
        // A file that was named without a folder lies in this one.
        let here = self.folder.as_os_str().is_empty();
        let folder = if here { Path::new(".") } else { &self.folder }.display();
        match &self.credentials {
            Some(credentials) => format!("{} or {folder}", credentials.display()),
            None => folder.to_string(),
        }
    }

    /// Reads a secret to see that it can be read, and that `fits` finds nothing wrong with it.
    pub(super) fn probe(
        &self,
        place: &Place,
        source: &SecretSource,
        fits: impl FnOnce(&str) -> Result<(), Complaint>,
    ) -> Result<(), Complaint> {
        match source.read() {
            Ok(secret) => fits(secret.expose_secret()),
            Err(SecretUnreadable::File { path, source }) => Err(self.unreadable(place, &path, &source)),
            Err(other @ (SecretUnreadable::Empty { .. } | SecretUnreadable::NotOneLine { .. })) => {
                Err(Complaint::of(&other))
            }
        }
    }

    /// A secret is easily written where the name of its file belongs. So a name is repeated only when it
    /// is certainly one: when something is there, or at least a folder on the way to it, or when it is our own.
    pub(super) fn unreadable(&self, place: &Place, path: &Path, error: &io::Error) -> Complaint {
        let is_ours = place.layer() == Layer::Default;
        let is_name = is_ours || path.exists() || self.leads_elsewhere(path);
        let missing = path.ancestors().skip(1).take_while(|folder| !folder.is_dir()).last();
        let problem = match (error.kind(), is_name, missing) {
            (io::ErrorKind::NotFound, true, Some(folder)) if !is_ours => {
                format!("the folder {} does not exist", folder.display())
            }
            (io::ErrorKind::NotFound, true, _) => format!("the file {} does not exist", path.display()),
            (_, true, _) => format!("the file {} cannot be read: {error}", path.display()),
            (_, false, _) => {
                let place = match path.is_absolute() && !self.searches(path) {
                    true => "exists".to_owned(),
                    false => format!("is in {}", self.folders()),
                };
                format!(
                    "no file of that name {place} (the name is not repeated here, in case it is the secret itself)"
                )
            }
        };
        Complaint::new(problem, "write the name of a file that holds the secret and that this user may read")
    }

    /// Whether it begins, as no secret would by chance, with a folder that exists and that we do not search anyway.
    fn leads_elsewhere(&self, path: &Path) -> bool {
        let Some(parent) = path.parent() else { return false };
        let base = parent.ancestors().find(|folder| folder.is_dir());
        let is_deep = base.is_some_and(|folder| folder.parent().is_some());
        let is_other = match base == Some(parent) {
            true => !self.searched().any(|folder| folder == parent),
            false => !self.searches(path),
        };
        path.is_absolute() && is_deep && is_other
    }

    /// Whether a name that is not absolute may have led there.
    fn searches(&self, path: &Path) -> bool {
        self.searched().any(|folder| path.starts_with(folder))
    }

    fn searched(&self) -> impl Iterator<Item = &Path> {
        let folders = [Some(&self.folder), self.credentials.as_ref()].into_iter().flatten();
        folders.filter(|folder| !folder.as_os_str().is_empty()).map(PathBuf::as_path)
    }
}
