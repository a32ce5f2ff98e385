//! All API keys, with the two orders the server lists them in.
//!
//! A listing is a slice of a vector sorted by (created, id), so a page costs its own length however many keys an
//! organization holds. New keys are the youngest and are pushed at the end; a deletion moves pointers, which for
//! twenty thousand keys is a few microseconds of `memmove`.

use std::collections::HashMap;
use std::sync::Arc;

use super::model::Token;

/// The keys and their indexes.
#[derive(Debug, Default)]
pub(crate) struct Tokens {
    by_id: HashMap<String, Arc<Token>>,
    by_organization: HashMap<String, Vec<Arc<Token>>>,
    by_project: HashMap<String, Vec<Arc<Token>>>,
}

impl Tokens {
    pub(crate) fn get(&self, id: &str) -> Option<&Arc<Token>> {
        self.by_id.get(id)
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = &Arc<Token>> {
        self.by_id.values()
    }

    pub(crate) fn of_organization(&self, id: &str) -> &[Arc<Token>] {
        self.by_organization.get(id).map_or(&[], Vec::as_slice)
    }

    /// Keys bound to the project, and organization-level keys that default to it (contract 3.2).
    pub(crate) fn of_project(&self, id: &str) -> &[Arc<Token>] {
        self.by_project.get(id).map_or(&[], Vec::as_slice)
    }

    /// Writes the whole document, new or not: the server does not check whether it still exists (contract 3.5).
    pub(crate) fn put(&mut self, token: Token) -> Arc<Token> {
        self.remove(&token.id);
        let token = Arc::new(token);
        insert_into(&mut self.by_organization, &token.organization_id, &token);
        if let Some(project) = token.effective_project() {
            insert_into(&mut self.by_project, project, &token);
        }
        self.by_id.insert(token.id.clone(), Arc::clone(&token));
        token
    }

    pub(crate) fn remove(&mut self, id: &str) -> Option<Arc<Token>> {
        let token = self.by_id.remove(id)?;
        if let Some(list) = self.by_organization.get_mut(&token.organization_id) {
            remove_sorted(list, &token);
        }
        if let Some(list) = token.effective_project().and_then(|project| self.by_project.get_mut(project)) {
            remove_sorted(list, &token);
        }
        Some(token)
    }

    /// Changes some keys in place. The edit must leave the id, the creation date and the owners alone.
    pub(crate) fn edit(&mut self, ids: impl IntoIterator<Item = String>, edit: impl Fn(&mut Token)) {
        for id in ids {
            if let Some(token) = self.by_id.get(&id) {
                let mut token = Token::clone(token);
                edit(&mut token);
                self.put(token);
            }
        }
    }
}

fn position(list: &[Arc<Token>], token: &Token) -> Result<usize, usize> {
    list.binary_search_by(|other| (other.created, &other.id).cmp(&(token.created, &token.id)))
}

/// The owner's name is copied only for its first key.
fn insert_into(lists: &mut HashMap<String, Vec<Arc<Token>>>, owner: &str, token: &Arc<Token>) {
    match lists.get_mut(owner) {
        Some(list) => insert_sorted(list, token),
        None => {
            lists.insert(owner.to_owned(), vec![Arc::clone(token)]);
        }
    }
}

/// Keys are usually made in the order of the list, so its end is tried before the search.
fn insert_sorted(list: &mut Vec<Arc<Token>>, token: &Arc<Token>) {
    if list.last().is_some_and(|last| last.created < token.created) {
        list.push(Arc::clone(token));
        return;
    }
    match position(list, token) {
        Ok(at) => list[at] = Arc::clone(token),
        Err(at) => list.insert(at, Arc::clone(token)),
    }
}

fn remove_sorted(list: &mut Vec<Arc<Token>>, token: &Token) {
    if let Ok(at) = position(list, token) {
        list.remove(at);
    }
}
