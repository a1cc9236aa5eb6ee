//! Where each setting comes from, for whoever wonders why it is as it is.

use serde_json::Value as Json;

use super::Config;

/// Who set something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    File,
    /// This variable.
    Variable(String),
    /// A flag of the command line.
    Flag,
}

/// One setting as it is now.
#[derive(Debug, Clone)]
pub struct Setting {
    /// Such as `http.public_url`.
    pub key: String,
    /// Secrets masked, and of addresses what may be one.
    pub value: Json,
    /// Whether it is what it is when nobody sets it.
    pub is_default: bool,
    /// Its sentence in the template.
    pub about: String,
}

impl Config {
    /// Every setting, in the template's order.
    pub fn settings(&self) -> Vec<Setting> {
        let now = serde_json::to_value(self).expect("the configuration is plain JSON");
        let mut settings = Vec::new();
        super::template::for_each_leaf(&mut |path, schema, default| {
            let value = path.split('.').try_fold(&now, |at, part| at.get(part)).cloned().unwrap_or_default();
            settings.push(Setting {
                key: path.to_owned(),
                is_default: value == *default,
                value: masked(value),
                about: schema.get("description").and_then(Json::as_str).unwrap_or_default().replace('\n', " "),
            });
        });
        settings
    }
}

/// Without what addresses carry before their host and after their path.
fn masked(value: Json) -> Json {
    match value {
        Json::String(text) => Json::String(mask(&text)),
        Json::Array(items) => Json::Array(items.into_iter().map(masked).collect()),
        other => other,
    }
}

fn mask(text: &str) -> String {
    let Some((scheme, rest)) = text.split_once("://") else { return text.to_owned() };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    let host = authority.rsplit_once('@').map_or_else(|| authority.to_owned(), |(_, host)| format!("***@{host}"));
    let path = path.split_once('?').map_or_else(|| path.to_owned(), |(path, _)| format!("{path}?***"));
    format!("{scheme}://{host}{path}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::load_from;

    fn setting(config: &Config, key: &str) -> Setting {
        config.settings().into_iter().find(|setting| setting.key == key).expect("a setting")
    }

    #[test]
    fn every_setting_says_what_it_is_and_who_set_it() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("t.toml");
        std::fs::write(&file, "[hls]\npart_ms = 250\nsegment_ms = 4000\n[auth]\nsecret = \"very secret words\"")
            .unwrap();
        let vars = [("RILLCAST__HLS__PART_MS".to_owned(), "333".to_owned())];
        let config = load_from(Some(&file), vars).unwrap();
        assert_eq!(config.origins["hls.part_ms"], Origin::Variable("RILLCAST__HLS__PART_MS".to_owned()));
        assert_eq!(config.origins["hls.segment_ms"], Origin::File);
        assert_eq!(config.origins.get("hls.window_segments"), None);
        assert_eq!(setting(&config, "hls.part_ms").value, 333);
        assert!(setting(&config, "hls.window_segments").is_default && !setting(&config, "hls.part_ms").is_default);
        assert_eq!(setting(&config, "auth.secret").value, "***");
        let all = format!("{:?}", config.settings());
        assert!(!all.contains("very secret words"), "{all}");
    }

    #[test]
    fn addresses_are_shown_without_their_secrets() {
        assert_eq!(mask("https://a:b@hook.test/x?token=1"), "https://***@hook.test/x?***");
        assert_eq!(mask("https://tv.test"), "https://tv.test");
        assert_eq!(mask("0.0.0.0:1935"), "0.0.0.0:1935");
    }
}
