//! The commented configuration template, generated from the types so that it cannot drift from them.

use serde_json::{Map, Value as Json};

use super::Config;

/// The whole template: every section, key, default and sentence, keys commented out.
pub fn template() -> String {
    let mut out = String::from(
        "# Rillcast configuration. Every key is shown with its default; remove the leading # to change one.\n\
         # A key can also be set by a variable: hls.part_ms is RILLCAST__HLS__PART_MS, and a secret can be read\n\
         # from a file: RILLCAST__AUTH__SECRET_FILE.\n",
    );
    let mut section = String::new();
    for_each_leaf(&mut |path, schema, default| {
        let (parent, key) = path.rsplit_once('.').unwrap_or(("", path));
        if parent != section {
            section = parent.to_owned();
            out.push_str(&format!("\n[{section}]\n"));
        }
        if let Some(text) = schema.get("description").and_then(Json::as_str) {
            for line in text.lines() {
                out.push_str(&format!("# {}\n", line.trim()));
            }
        }
        let value = toml::Value::try_from(default).map(|value| value.to_string()).unwrap_or_default();
        out.push_str(&format!("#{key} = {value}\n"));
    });
    out
}

/// Receives a leaf's dotted path, its schema and its default.
pub(super) type EachLeaf<'a> = dyn FnMut(&str, &Map<String, Json>, &Json) + 'a;

/// Calls back with every leaf's dotted path, its schema and its default. Top-level keys come before sections.
pub(super) fn for_each_leaf(each: &mut EachLeaf<'_>) {
    let schema = schemars::schema_for!(Config).to_value();
    let defaults = serde_json::to_value(Config::default()).expect("the configuration is plain JSON");
    let definitions = schema.get("$defs").cloned().unwrap_or_default();
    walk("", &schema, &defaults, &definitions, each);
}

fn walk(parent: &str, schema: &Json, defaults: &Json, definitions: &Json, each: &mut EachLeaf<'_>) {
    let Some(properties) = schema.get("properties").and_then(Json::as_object) else { return };
    let resolve = |property: &Json| -> Option<Json> {
        let name = property.get("$ref")?.as_str()?.strip_prefix("#/$defs/")?;
        definitions.get(name).cloned()
    };
    let (sections, leaves): (Vec<_>, Vec<_>) =
        properties.iter().partition(|(_, property)| resolve(property).is_some_and(|s| s.get("properties").is_some()));
    for (name, property) in leaves {
        let path = if parent.is_empty() { name.clone() } else { format!("{parent}.{name}") };
        let object = property.as_object().cloned().unwrap_or_default();
        each(&path, &object, &defaults[name]);
    }
    for (name, property) in sections {
        let path = if parent.is_empty() { name.clone() } else { format!("{parent}.{name}") };
        let section = resolve(property).unwrap_or_default();
        walk(&path, &section, &defaults[name], definitions, each);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_template_uncommented_is_the_default_configuration() {
        let text: String = template()
            .lines()
            .map(|line| match line.strip_prefix('#') {
                Some(rest) if !rest.starts_with(' ') => format!("{rest}\n"),
                _ => format!("{line}\n"),
            })
            .collect();
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("t.toml");
        std::fs::write(&file, text).unwrap();
        let loaded = super::super::load_from(Some(&file), []).unwrap();
        assert_eq!(serde_json::to_value(loaded).unwrap(), serde_json::to_value(Config::default()).unwrap(),);
    }

    #[test]
    fn every_key_that_is_not_self_explaining_has_a_sentence() {
        let mut bare = Vec::new();
        for_each_leaf(&mut |path, schema, _| {
            if !schema.contains_key("description") {
                bare.push(path.to_owned());
            }
        });
        let obvious = ["storage.bucket", "storage.region", "storage.access_key", "storage.secret_key"];
        bare.retain(|path| !obvious.contains(&path.as_str()));
        assert!(bare.is_empty(), "no sentence: {bare:?}");
    }
}
