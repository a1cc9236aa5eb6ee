//! What came back for one request, as rules see it: no client, no socket.

/// One answer, its body decoded.
#[derive(Debug, Clone, Default)]
pub struct Answer {
    /// As asked, directives included.
    pub url: String,
    /// Where it came from; differs after a redirect. Relative names resolve against it.
    pub final_url: String,
    pub status: u16,
    /// Lower-case names.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    pub fn is_gzip(&self) -> bool {
        self.header("content-encoding").is_some_and(|coding| coding.to_ascii_lowercase().contains("gzip"))
    }

    /// The media type without parameters.
    pub fn content_type(&self) -> Option<String> {
        let value = self.header("content-type")?;
        Some(value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase())
    }

    /// What `Cache-Control` allows (RFC 9111 5.2.2).
    pub fn cache(&self) -> Cache {
        let Some(value) = self.header("cache-control") else { return Cache::default() };
        let mut cache = Cache::default();
        for word in value.split(',').map(|word| word.trim().to_ascii_lowercase()) {
            match word.split_once('=') {
                Some(("max-age", seconds)) => cache.max_age_s = seconds.trim().trim_matches('"').parse().ok(),
                _ if word == "no-store" || word == "no-cache" => cache.is_refused = true,
                _ => {}
            }
        }
        cache
    }
}

/// The part of `Cache-Control` that rules ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Cache {
    /// `no-store` or `no-cache`.
    pub is_refused: bool,
    pub max_age_s: Option<u64>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cache_control_is_read_word_by_word() {
        let answer =
            |value: &str| Answer { headers: vec![("cache-control".to_owned(), value.to_owned())], ..Answer::default() };
        assert_eq!(answer("public, Max-Age=12").cache(), Cache { is_refused: false, max_age_s: Some(12) });
        assert_eq!(answer("no-store").cache(), Cache { is_refused: true, max_age_s: None });
        assert_eq!(Answer::default().cache(), Cache::default());
    }
}
