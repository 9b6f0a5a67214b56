//! What collections and aliases exist: one file, replaced atomically, so that an alias switch or a delete happens whole.

use std::collections::BTreeMap;
use std::path::PathBuf;

use qdrant_edge::{EdgeConfig, PayloadFieldSchema};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::durable;
use crate::error::{Error, Result, invalid};

/// Longest name of a collection or alias, as in Qdrant.
const NAME_BYTES: usize = 255;
const FORBIDDEN: [char; 12] = ['<', '>', ':', '"', '/', '\\', '|', '?', '*', '\0', '\u{1F}', '\n'];

/// One collection as it was created, with the indexes it has since got.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct CollectionSpec {
    /// Names its folder: a collection created again under the same name gets another.
    pub id: Uuid,
    /// Vectors, quantization, index and optimizer settings.
    pub engine: EdgeConfig,
    /// Payload indexes by field path.
    #[serde(default)]
    pub indexes: BTreeMap<String, PayloadFieldSchema>,
    /// The creator's own notes.
    #[serde(default)]
    pub metadata: serde_json::Map<String, serde_json::Value>,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Contents {
    collections: BTreeMap<String, CollectionSpec>,
    aliases: BTreeMap<String, String>,
}

/// The collections and aliases of a store.
#[derive(Debug)]
pub struct Registry {
    path: PathBuf,
    contents: Contents,
}

/// One step of an alias change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AliasStep {
    /// Points an alias at a collection, away from any other.
    Create {
        /// The alias.
        alias: String,
        /// The collection.
        collection: String,
    },
    /// Gives an alias another name.
    Rename {
        /// Its name so far.
        from: String,
        /// Its new name.
        to: String,
    },
    /// Removes an alias.
    Delete {
        /// The alias.
        alias: String,
    },
}

impl Registry {
    /// Reads the registry of a data folder.
    pub fn open(path: PathBuf) -> Result<Self> {
        let contents = durable::read_json(&path)?.unwrap_or_default();
        Ok(Self { path, contents })
    }

    /// All collections by name.
    pub fn collections(&self) -> &BTreeMap<String, CollectionSpec> {
        &self.contents.collections
    }

    /// All aliases with their collections.
    pub fn aliases(&self) -> &BTreeMap<String, String> {
        &self.contents.aliases
    }

    /// The collection that a name or alias stands for.
    pub fn resolve<'a>(&'a self, name: &'a str) -> Result<&'a str> {
        let name = self.contents.aliases.get(name).map_or(name, String::as_str);
        if self.contents.collections.contains_key(name) {
            return Ok(name);
        }
        Err(Error::NotFound(format!("collection {name:?} does not exist")))
    }

    /// Refuses a name that is taken or cannot be one.
    pub fn check_new(&self, name: &str) -> Result<()> {
        check_name(name)?;
        if self.contents.collections.contains_key(name) || self.contents.aliases.contains_key(name) {
            return Err(Error::AlreadyExists(format!("collection or alias {name:?} already exists")));
        }
        Ok(())
    }

    /// Records a new collection.
    pub fn insert(&mut self, name: String, spec: CollectionSpec) -> Result<()> {
        self.check_new(&name)?;
        self.replace(|contents| {
            contents.collections.insert(name, spec);
            Ok(())
        })
    }

    /// Forgets a collection and its aliases; false when there is none.
    pub fn remove(&mut self, name: &str) -> Result<bool> {
        if !self.contents.collections.contains_key(name) {
            return Ok(false);
        }
        self.replace(|contents| {
            contents.collections.remove(name);
            contents.aliases.retain(|_, collection| collection != name);
            Ok(())
        })?;
        Ok(true)
    }

    /// Records a payload index, or with `None` that it is gone.
    pub fn set_index(&mut self, name: &str, field: String, schema: Option<PayloadFieldSchema>) -> Result<()> {
        self.replace(|contents| {
            let spec = contents.collections.get_mut(name);
            let spec = spec.ok_or_else(|| Error::NotFound(format!("collection {name:?} does not exist")))?;
            match schema {
                Some(schema) => spec.indexes.insert(field, schema),
                None => spec.indexes.remove(&field),
            };
            Ok(())
        })
    }

    /// Takes all steps or none.
    pub fn change_aliases(&mut self, steps: Vec<AliasStep>) -> Result<()> {
        self.replace(|contents| steps.into_iter().try_for_each(|step| contents.take_step(step)))
    }

    fn replace(&mut self, change: impl FnOnce(&mut Contents) -> Result<()>) -> Result<()> {
        let mut next = self.contents.clone();
        change(&mut next)?;
        durable::write_json(&self.path, &next)?;
        self.contents = next;
        Ok(())
    }
}

impl Contents {
    fn take_step(&mut self, step: AliasStep) -> Result<()> {
        match step {
            AliasStep::Create { alias, collection } => self.create_alias(alias, collection),
            AliasStep::Rename { from, to } => {
                let collection = self.remove_alias(&from)?;
                self.create_alias(to, collection)
            }
            AliasStep::Delete { alias } => self.remove_alias(&alias).map(drop),
        }
    }

    fn create_alias(&mut self, alias: String, collection: String) -> Result<()> {
        check_name(&alias)?;
        if !self.collections.contains_key(&collection) {
            return Err(Error::NotFound(format!("collection {collection:?} does not exist")));
        }
        if self.collections.contains_key(&alias) {
            return Err(Error::AlreadyExists(format!("collection {alias:?} already exists")));
        }
        self.aliases.insert(alias, collection);
        Ok(())
    }

    fn remove_alias(&mut self, alias: &str) -> Result<String> {
        self.aliases.remove(alias).ok_or_else(|| Error::NotFound(format!("alias {alias:?} does not exist")))
    }
}

fn check_name(name: &str) -> Result<()> {
    if name.is_empty() || name.len() > NAME_BYTES || name.contains(FORBIDDEN) {
        return Err(invalid(format!("{name:?} cannot be the name of a collection or alias")));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
    use super::*;
    use std::path::Path;

    fn registry(dir: &Path) -> Registry {
        let mut registry = Registry::open(dir.join("registry.json")).unwrap();
        for name in ["a", "b"] {
            let spec = CollectionSpec {
                id: Uuid::nil(),
                engine: EdgeConfig::default(),
                indexes: BTreeMap::new(),
                metadata: serde_json::Map::new(),
            };
            registry.insert(name.into(), spec).unwrap();
        }
        registry
    }

    fn create(alias: &str, collection: &str) -> AliasStep {
        AliasStep::Create { alias: alias.into(), collection: collection.into() }
    }

    #[test]
    fn alias_steps_happen_together_or_not_at_all() {
        let dir = tempfile::tempdir().unwrap();
        let mut registry = registry(dir.path());
        registry.change_aliases(vec![create("live", "a")]).unwrap();
        let failed = registry.change_aliases(vec![create("live", "b"), create("other", "none")]);
        assert!(matches!(failed, Err(Error::NotFound(_))));
        assert_eq!(registry.resolve("live").unwrap(), "a");
        registry.change_aliases(vec![create("live", "b")]).unwrap();
        let again = Registry::open(dir.path().join("registry.json")).unwrap();
        assert_eq!(again.resolve("live").unwrap(), "b");
    }

    #[test]
    fn a_removed_collection_takes_its_aliases_along() {
        let dir = tempfile::tempdir().unwrap();
        let mut registry = registry(dir.path());
        registry.change_aliases(vec![create("live", "a")]).unwrap();
        assert!(registry.remove("a").unwrap());
        assert!(!registry.remove("a").unwrap());
        assert!(registry.aliases().is_empty());
    }

    #[test]
    fn names_are_checked() {
        let dir = tempfile::tempdir().unwrap();
        let registry = registry(dir.path());
        for name in ["", "a/b", "a\nb", &"x".repeat(256)] {
            assert!(matches!(registry.check_new(name), Err(Error::InvalidArgument(_))), "{name}");
        }
        assert!(matches!(registry.check_new("a"), Err(Error::AlreadyExists(_))));
    }
}
