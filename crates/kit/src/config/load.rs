//! Reading the configuration from its sources and refusing what makes no sense.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::Value as Json;
use toml::{Table, Value};

use super::{Config, Origin};

const PREFIX: &str = "RILLCAST__";

/// Why a configuration cannot be used. The text names the key and, for a mistyped one, its likely neighbour.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("cannot read {path}: {source}")]
    Unreadable { path: PathBuf, source: std::io::Error },
    #[error("{origin}: {message}")]
    Malformed { origin: String, message: String },
    #[error("unknown setting {key} in {origin}{hint}")]
    Unknown { key: String, origin: String, hint: String },
    #[error("{key} {rule}")]
    Rule { key: &'static str, rule: String },
}

/// Loads from `file` (when given) and this process's environment.
pub fn load(file: Option<&Path>) -> Result<Config, ConfigError> {
    load_from(file, std::env::vars())
}

/// Loads from `file` and the given variables; those without our prefix are ignored.
pub fn load_from(file: Option<&Path>, vars: impl IntoIterator<Item = (String, String)>) -> Result<Config, ConfigError> {
    let known = known_keys();
    let mut table = Table::new();
    if let Some(path) = file {
        let text = read(path)?;
        table = text.parse().map_err(|error: toml::de::Error| ConfigError::Malformed {
            origin: path.display().to_string(),
            message: error.to_string(),
        })?;
        check_keys(&table, "", &known, &path.display().to_string())?;
    }
    let mut origins: BTreeMap<String, Origin> =
        known.keys().filter(|key| is_in(&table, key)).map(|key| (key.clone(), Origin::File)).collect();
    for (name, text) in vars {
        if let Some(rest) = name.strip_prefix(PREFIX) {
            let key = overlay(&mut table, &known, &name, rest, text)?;
            origins.insert(key, Origin::Variable(name));
        }
    }
    let mut config: Config = Value::Table(table).try_into().map_err(|error: toml::de::Error| {
        ConfigError::Malformed { origin: "configuration".to_owned(), message: error.message().to_owned() }
    })?;
    config.check()?;
    config.origins = origins;
    Ok(config)
}

fn is_in(table: &Table, key: &str) -> bool {
    match key.split_once('.') {
        None => table.contains_key(key),
        Some((section, rest)) => table.get(section).and_then(Value::as_table).is_some_and(|inner| is_in(inner, rest)),
    }
}

fn read(path: &Path) -> Result<String, ConfigError> {
    std::fs::read_to_string(path).map_err(|source| ConfigError::Unreadable { path: path.to_owned(), source })
}

/// Every leaf key with its JSON-schema type.
fn known_keys() -> BTreeMap<String, String> {
    let mut keys = BTreeMap::new();
    super::template::for_each_leaf(&mut |path, schema, _default| {
        keys.insert(path.to_owned(), schema.get("type").and_then(Json::as_str).unwrap_or("string").to_owned());
    });
    keys
}

fn check_keys(table: &Table, parent: &str, known: &BTreeMap<String, String>, origin: &str) -> Result<(), ConfigError> {
    for (name, value) in table {
        let key = if parent.is_empty() { name.clone() } else { format!("{parent}.{name}") };
        match value {
            Value::Table(inner) => check_keys(inner, &key, known, origin)?,
            _ if known.contains_key(&key) => {}
            _ => return Err(unknown(key, origin, known)),
        }
    }
    Ok(())
}

fn unknown(key: String, origin: &str, known: &BTreeMap<String, String>) -> ConfigError {
    let near = known.keys().map(|k| (distance(k, &key), k)).min().filter(|(d, _)| *d <= 4);
    let hint = near.map(|(_, k)| format!("; did you mean {k}?")).unwrap_or_default();
    ConfigError::Unknown { key, origin: origin.to_owned(), hint }
}

/// Levenshtein distance, for "did you mean".
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, ca) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, cb) in b.iter().enumerate() {
            let cost = diagonal + usize::from(ca != *cb);
            diagonal = row[j + 1];
            row[j + 1] = cost.min(row[j] + 1).min(row[j + 1] + 1);
        }
    }
    row[b.len()]
}

/// Puts one variable into the table, typed as its key demands, and returns that key. `..._FILE` reads the value from a file.
fn overlay(
    table: &mut Table,
    known: &BTreeMap<String, String>,
    variable: &str,
    rest: &str,
    text: String,
) -> Result<String, ConfigError> {
    let mut key = rest.to_ascii_lowercase().replace("__", ".");
    let mut text = text;
    if !known.contains_key(&key)
        && let Some(of_file) = key.strip_suffix("_file").filter(|k| known.contains_key(*k))
    {
        text = read(Path::new(&text))?.trim_end_matches(['\r', '\n']).to_owned();
        key = of_file.to_owned();
    }
    let kind = known.get(&key).ok_or_else(|| unknown(key.clone(), variable, known))?;
    let malformed =
        |what: &str| ConfigError::Malformed { origin: variable.to_owned(), message: format!("must be {what}") };
    let value = match kind.as_str() {
        "boolean" => Value::Boolean(text.parse().map_err(|_| malformed("true or false"))?),
        "integer" => Value::Integer(text.parse().map_err(|_| malformed("a whole number"))?),
        "number" => Value::Float(text.parse().map_err(|_| malformed("a number"))?),
        "array" => {
            let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
            Value::Array(items.map(|item| Value::String(item.to_owned())).collect())
        }
        _ => Value::String(text),
    };
    let mut place = table;
    let mut parts = key.split('.').peekable();
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            place.insert(part.to_owned(), value);
            break;
        }
        let next = place.entry(part.to_owned()).or_insert_with(|| Value::Table(Table::new()));
        let Value::Table(next) = next else { return Err(malformed("a section")) };
        place = next;
    }
    Ok(key)
}

impl Config {
    /// Rules that types cannot say. Run before any port is bound.
    pub fn check(&self) -> Result<(), ConfigError> {
        let rule = |key, ok: bool, rule: &str| {
            if ok { Ok(()) } else { Err(ConfigError::Rule { key, rule: rule.to_owned() }) }
        };
        rule("http.edge_memory_mib", (16..=1_048_576).contains(&self.http.edge_memory_mib), "must be 16 to 1048576")?;
        rule("hls.part_ms", (100..=1_000).contains(&self.hls.part_ms), "must be 100 to 1000")?;
        rule("hls.segment_ms", (1_000..=10_000).contains(&self.hls.segment_ms), "must be 1000 to 10000")?;
        rule("hls.segment_ms", self.hls.segment_ms >= 2 * self.hls.part_ms, "must be at least two parts")?;
        rule("hls.window_segments", (6..=60).contains(&self.hls.window_segments), "must be 6 to 60")?;
        rule(
            "hls.audio_language",
            is_language_tag(&self.hls.audio_language),
            "must be a BCP 47 tag such as en or pt-BR",
        )?;
        if let Err(reason) = super::ladder::parse(&self.transcoder.ladder) {
            return Err(ConfigError::Rule { key: "transcoder.ladder", rule: reason });
        }
        rule("transcoder.cpu_budget", self.transcoder.cpu_budget >= 0.0, "must not be negative")?;
        rule("auth.access_ttl_s", (60..=86_400).contains(&self.auth.access_ttl_s), "must be 60 to 86400")?;
        rule("ingest.reconnect_window_s", self.ingest.reconnect_window_s <= 86_400, "must be at most 86400")?;
        let rtmps = &self.ingest.rtmps;
        rule(
            "ingest.rtmps.listen",
            rtmps.listen.is_empty() || rtmps.addr().is_some(),
            "must be an address and a port, such as 0.0.0.0:1936",
        )?;
        let has_files = !rtmps.certificate.as_os_str().is_empty() && !rtmps.key.as_os_str().is_empty();
        rule("ingest.rtmps.certificate", rtmps.listen.is_empty() || has_files, "and ingest.rtmps.key must be set")?;
        rule("storage.bucket", !self.storage.bucket.is_empty(), "must be set")?;
        rule("storage.presign_ttl_s", (60..=604_800).contains(&self.storage.presign_ttl_s), "must be 60 to 604800")?;
        let needs_public = self.storage.delivery == super::Delivery::Public;
        rule(
            "storage.public_url",
            !needs_public || !self.storage.public_url.is_empty(),
            "must be set for public delivery",
        )?;
        let mail = self.mail.url.expose();
        rule(
            "mail.url",
            mail.is_empty() || mail.starts_with("smtp://") || mail.starts_with("smtps://"),
            "must start with smtp:// or smtps://",
        )?;
        rule(
            "mail.from",
            mail.is_empty() || self.mail.from.contains('@'),
            "must be an address, such as tv@tv.example",
        )?;
        let has_address = mail.is_empty() || !self.http.public_url.is_empty();
        rule("http.public_url", has_address, "must be set for mail: its links lead there")?;
        let largest = self.attachments.file_mib_max;
        rule("attachments.file_mib_max", (1..=100).contains(&largest), "must be 1 to 100")?;
        let files = &self.files;
        rule("files.file_mib_max", (1..=1_048_576).contains(&files.file_mib_max), "must be 1 to 1048576")?;
        rule("files.form_mib_max", (1..=100).contains(&files.form_mib_max), "must be 1 to 100")?;
        rule("files.trash_days", (1..=3_650).contains(&files.trash_days), "must be 1 to 3650")?;
        rule("scan.stream_mib_max", (1..=4_096).contains(&self.scan.stream_mib_max), "must be 1 to 4096")?;
        let has_place = self.scan.clamd.is_empty() || self.scan.address().is_some();
        rule("scan.clamd", has_place, "must be tcp://host:port or unix:///path")?;
        if let Some((key, broken)) = self.plans_fault() {
            rule(key, false, broken)?;
        }
        let review = &self.chat.review;
        rule("chat.review.timeout_ms", (10..=300).contains(&review.timeout_ms), "must be 10 to 300")?;
        let is_signed = review.url.is_empty() || crate::webhook_key::WebhookKey::parse(&review.secret).is_some();
        rule("chat.review.secret", is_signed, "must be whsec_ and 24 to 64 bytes in base64")?;
        for (key, url) in [
            ("chat.review.url", &review.url),
            ("hooks.on_publish", &self.hooks.on_publish),
            ("hooks.on_publish_done", &self.hooks.on_publish_done),
            ("hooks.on_update", &self.hooks.on_update),
            ("hooks.on_record_done", &self.hooks.on_record_done),
            ("http.public_url", &self.http.public_url),
            ("storage.endpoint", &self.storage.endpoint),
            ("storage.public_url", &self.storage.public_url),
        ] {
            let legal = url.is_empty() || url.starts_with("http://") || url.starts_with("https://");
            rule(key, legal, "must start with http:// or https://")?;
        }
        Ok(())
    }
}

/// The shape of a language tag (RFC 5646 2.1): a word of two to eight letters, then words of up to eight letters and digits.
fn is_language_tag(tag: &str) -> bool {
    let mut words = tag.split('-');
    let is_primary = |word: &str| (2..=8).contains(&word.len()) && word.bytes().all(|byte| byte.is_ascii_alphabetic());
    let is_sub = |word: &str| (1..=8).contains(&word.len()) && word.bytes().all(|byte| byte.is_ascii_alphanumeric());
    tag.len() <= 35 && words.next().is_some_and(is_primary) && words.all(is_sub)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn env(pairs: &[(&str, &str)]) -> Result<Config, ConfigError> {
        load_from(None, pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())))
    }

    #[test]
    fn variables_win_over_the_file_and_keep_their_types() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("rillcast.toml");
        std::fs::write(&file, "[hls]\npart_ms = 250\nsegment_ms = 4000\n").unwrap();
        let vars = [
            ("RILLCAST__HLS__PART_MS", "333"),
            ("RILLCAST__STORAGE__PATH_STYLE", "false"),
            ("RILLCAST__STORAGE__REGION", "5"),
            ("RILLCAST__HTTP__TRUSTED_PROXIES", "10.0.0.0/8, ::1"),
            ("RILLCAST__TRANSCODER__CPU_BUDGET", "1.5"),
            ("HOME", "/root"),
        ];
        let config = load_from(Some(&file), vars.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))).unwrap();
        assert_eq!((config.hls.part_ms, config.hls.segment_ms), (333, 4000));
        assert!(!config.storage.path_style);
        assert_eq!(config.storage.region, "5");
        assert_eq!(config.http.trusted_proxies, ["10.0.0.0/8", "::1"]);
        assert!((config.transcoder.cpu_budget - 1.5).abs() < f64::EPSILON);
    }

    #[test]
    fn an_unknown_key_is_an_error_that_names_its_neighbour() {
        let error = env(&[("RILLCAST__HLS__PART_MSS", "200")]).unwrap_err().to_string();
        assert!(error.contains("hls.part_mss") && error.contains("did you mean hls.part_ms"), "{error}");
    }

    #[test]
    fn a_value_out_of_range_is_refused() {
        assert!(env(&[("RILLCAST__HLS__PART_MS", "20")]).is_err());
        assert!(env(&[("RILLCAST__HLS__PART_MS", "fast")]).is_err());
        assert!(env(&[("RILLCAST__HOOKS__ON_PUBLISH", "ftp://x")]).is_err());
        assert!(env(&[("RILLCAST__CHAT__REVIEW__TIMEOUT_MS", "301")]).is_err());
        let url = ("RILLCAST__CHAT__REVIEW__URL", "http://review.test/");
        assert!(env(&[url]).is_err(), "unsigned");
        let key = ("RILLCAST__CHAT__REVIEW__SECRET", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
        assert_eq!(env(&[url, key]).unwrap().chat.review.timeout_ms, 250);
        assert!(env(&[("RILLCAST__INGEST__RTMPS__LISTEN", "everywhere")]).is_err());
        assert!(env(&[("RILLCAST__INGEST__RTMPS__LISTEN", "0.0.0.0:1936")]).is_err(), "without a certificate");
    }

    #[test]
    fn a_scanner_has_a_place_or_there_is_none() {
        assert_eq!(Config::default().scan.address(), None);
        for place in ["tcp://127.0.0.1:3310", "tcp://[::1]:3310", "tcp://clamav:3310", "unix:///run/clamav/clamd.ctl"] {
            assert!(env(&[("RILLCAST__SCAN__CLAMD", place)]).unwrap().scan.address().is_some(), "{place}");
        }
        for odd in ["127.0.0.1:3310", "tcp://clamav", "tcp://:3310", "tcp://x:99999", "unix://run/x", "http://x:1"] {
            assert!(env(&[("RILLCAST__SCAN__CLAMD", odd)]).is_err(), "{odd}");
        }
        assert!(env(&[("RILLCAST__ATTACHMENTS__FILE_MIB_MAX", "0")]).is_err());
    }

    #[test]
    fn mail_needs_a_sender_and_a_place_its_links_lead_to() {
        let url = ("RILLCAST__MAIL__URL", "smtps://u:p@mail.example:465");
        let from = ("RILLCAST__MAIL__FROM", "Rillcast <noreply@tv.example>");
        let site = ("RILLCAST__HTTP__PUBLIC_URL", "https://tv.example");
        assert!(env(&[url, from, site]).is_ok());
        assert!(env(&[url, from]).is_err());
        assert!(env(&[url, site]).is_err());
        assert!(env(&[("RILLCAST__MAIL__URL", "mail.example"), from, site]).is_err());
    }

    #[test]
    fn a_secret_may_come_from_a_file() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("secret");
        std::fs::write(&file, "hush\n").unwrap();
        let config = env(&[("RILLCAST__AUTH__SECRET_FILE", file.to_str().unwrap())]).unwrap();
        assert_eq!(config.auth.secret.expose(), "hush");
    }

    #[test]
    fn a_language_tag_is_words_of_letters() {
        assert!(["und", "en", "pt-BR", "zh-Hant-TW", "de-CH-1996"].into_iter().all(is_language_tag));
        assert!(!["", "e", "en_US", "en-", "-en", "e\"n", "1n", &"en-x".repeat(12)].into_iter().any(is_language_tag));
    }
}
