//! RSS 2.0, with what podcast players ask for: iTunes' tags and those of the podcast namespace (liveItem, alternateEnclosure).

use chrono::SecondsFormat;

use super::{Feed, HLS, Item, Live};

/// The feed as XML.
pub(super) fn text(feed: &Feed) -> String {
    let mut out = Writer::default();
    out.raw(r#"<?xml version="1.0" encoding="UTF-8"?>"#);
    out.raw(concat!(
        r#"<rss version="2.0" xmlns:atom="http://www.w3.org/2005/Atom""#,
        r#" xmlns:itunes="http://www.itunes.com/dtds/podcast-1.0.dtd""#,
        r#" xmlns:podcast="https://podcastindex.org/namespace/1.0"><channel>"#
    ));
    let page = feed.page();
    out.element("title", &feed.title);
    out.element("link", &page);
    // A description is required, and not everybody has written one.
    out.element("description", if feed.about.is_empty() { &feed.title } else { &feed.about });
    out.empty("atom:link", &[("href", &format!("{page}/feed.xml")), ("rel", "self"), ("type", "application/rss+xml")]);
    out.element("generator", "Rillcast");
    out.element("itunes:author", &feed.title);
    out.element("itunes:explicit", "false");
    out.element("podcast:medium", "video");
    if let Some(picture) = &feed.picture {
        out.empty("itunes:image", &[("href", picture)]);
        out.raw("<image>");
        out.element("url", picture);
        out.element("title", &feed.title);
        out.element("link", &page);
        out.raw("</image>");
    }
    if let Some(live) = &feed.live {
        live_item(&mut out, feed, live);
    }
    for one in &feed.items {
        item(&mut out, feed, one);
    }
    out.raw("</channel></rss>\n");
    out.0
}

fn live_item(out: &mut Writer, feed: &Feed, live: &Live) {
    let media = feed.url(&format!("/live/{}/index.m3u8", feed.username));
    let started = live.started_at.to_rfc3339_opts(SecondsFormat::Secs, true);
    out.open("podcast:liveItem", &[("status", "live"), ("start", &started)]);
    out.element("title", &live.title);
    out.element("link", &feed.page());
    out.attributed("guid", &[("isPermaLink", "false")], &live.id.to_string());
    out.element("pubDate", &live.started_at.to_rfc2822());
    enclosure(out, &media, 0);
    out.attributed("podcast:contentLink", &[("href", &feed.page())], &live.title);
    out.raw("</podcast:liveItem>");
}

fn item(out: &mut Writer, feed: &Feed, item: &Item) {
    let page = feed.url(&format!("/v/{}", item.id));
    out.raw("<item>");
    out.element("title", &item.title);
    out.element("link", &page);
    out.attributed("guid", &[("isPermaLink", "false")], &item.id.to_string());
    out.element("pubDate", &item.created_at.to_rfc2822());
    if !item.description.is_empty() {
        out.element("description", &item.description);
    }
    for tag in &item.tags {
        out.element("category", tag);
    }
    enclosure(out, &feed.url(&format!("/vod/{}/index.m3u8", item.id)), item.bytes);
    out.element("itunes:duration", &item.seconds.to_string());
    if item.has_picture {
        out.empty("itunes:image", &[("href", &feed.url(&format!("/vod/{}/thumbnail.jpg", item.id)))]);
    }
    out.raw("</item>");
}

/// Once for readers of RSS, once for players that choose among kinds.
fn enclosure(out: &mut Writer, url: &str, bytes: i64) {
    let length = bytes.to_string();
    out.empty("enclosure", &[("url", url), ("length", &length), ("type", HLS)]);
    out.open("podcast:alternateEnclosure", &[("type", HLS), ("length", &length), ("default", "true")]);
    out.empty("podcast:source", &[("uri", url)]);
    out.raw("</podcast:alternateEnclosure>");
}

/// XML in the making. Names are ours, texts and values anybody's.
#[derive(Default)]
struct Writer(String);

impl Writer {
    fn raw(&mut self, markup: &str) {
        self.0.push_str(markup);
    }

    fn open(&mut self, name: &str, attributes: &[(&str, &str)]) {
        self.start(name, attributes);
        self.raw(">");
    }

    fn empty(&mut self, name: &str, attributes: &[(&str, &str)]) {
        self.start(name, attributes);
        self.raw(" />");
    }

    fn element(&mut self, name: &str, text: &str) {
        self.attributed(name, &[], text);
    }

    fn attributed(&mut self, name: &str, attributes: &[(&str, &str)], text: &str) {
        self.open(name, attributes);
        self.text(text);
        self.raw("</");
        self.raw(name);
        self.raw(">");
    }

    fn start(&mut self, name: &str, attributes: &[(&str, &str)]) {
        self.raw("<");
        self.raw(name);
        for (name, value) in attributes {
            self.raw(" ");
            self.raw(name);
            self.raw("=\"");
            self.text(value);
            self.raw("\"");
        }
    }

    /// Leaves out what XML 1.0 cannot hold (2.2): one such character would make the whole feed unreadable.
    fn text(&mut self, text: &str) {
        for c in text.chars() {
            match c {
                '&' => self.raw("&amp;"),
                '<' => self.raw("&lt;"),
                '>' => self.raw("&gt;"),
                '"' => self.raw("&quot;"),
                '\t' | '\n' | '\r' => self.0.push(c),
                '\0'..='\x1f' | '\u{fffe}' | '\u{ffff}' => {}
                _ => self.0.push(c),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_leaves_its_place() {
        let mut out = Writer::default();
        out.attributed("title", &[("a", "\"><b>")], "a & <b>\u{b}\0\u{ffff}\n]]>");
        assert_eq!(out.0, "<title a=\"&quot;&gt;&lt;b&gt;\">a &amp; &lt;b&gt;\n]]&gt;</title>");
    }
}
