//! What mails say: words of two languages in one form, as text and as HTML. In HTML everything is escaped by the form.

use std::collections::BTreeMap;

use anyhow::Context;
use db::mail::{Owed, Settings};
use domain::UserId;
use domain::event::TwoFactorChange;
use domain::notification::{Language, NotificationType};
use kit::mail_links::MailLinks;
use minijinja::{Environment, UndefinedBehavior, Value, context};

use crate::notify;

const TEXT: &str = "letter.txt";
const HTML: &str = "letter.html";
/// Names and titles are cut to this much.
const WORD_CHARS_MAX: usize = 200;
/// Things one letter tells of. The rest is a number and a link.
const ITEMS_MAX: usize = 20;

/// One mail, ready to be sent.
#[derive(Debug)]
pub(super) struct Letter {
    /// The same whenever the same is sent, without a host.
    pub id: String,
    pub address: String,
    pub subject: String,
    pub text: String,
    pub html: String,
    /// The token that ends such mail, if it is one of many.
    pub stop: Option<String>,
}

/// Writes letters.
pub(super) struct Desk {
    forms: Environment<'static>,
    english: BTreeMap<String, String>,
    vietnamese: BTreeMap<String, String>,
    site_url: String,
    /// The site as people call it: its host.
    site: String,
    links: MailLinks,
}

/// One thing a letter tells of.
struct Item {
    line: String,
    url: String,
    button: String,
}

/// What stands below.
struct Foot {
    why: String,
    stop: Option<(String, String)>,
}

impl Desk {
    pub(super) fn new(site_url: &str, site: &str, links: MailLinks) -> anyhow::Result<Self> {
        let mut forms = Environment::new();
        forms.set_undefined_behavior(UndefinedBehavior::Strict);
        forms.add_template(TEXT, include_str!("../../mail/letter.txt"))?;
        forms.add_template(HTML, include_str!("../../mail/letter.html"))?;
        Ok(Self {
            forms,
            english: serde_json::from_str(include_str!("../../mail/en.json"))?,
            vietnamese: serde_json::from_str(include_str!("../../mail/vi.json"))?,
            site_url: site_url.to_owned(),
            site: site.to_owned(),
            links,
        })
    }

    /// Tells one member of one thing or of several.
    pub(super) fn notice(&self, owed: &[&Owed]) -> anyhow::Result<Letter> {
        let first = owed.first().context("a letter about nothing")?;
        let language = Language::parse(&first.language).unwrap_or_default();
        let shown = owed.iter().take(ITEMS_MAX);
        let mut items = shown.map(|owed| self.item(language, owed)).collect::<anyhow::Result<Vec<_>>>()?;
        let subject = match items.as_slice() {
            [one] => one.line.clone(),
            _several => self.say(language, "several", context! { count => owed.len(), site => &self.site })?,
        };
        if owed.len() > ITEMS_MAX {
            items.push(Item {
                line: self.say(language, "more", context! { count => owed.len() - ITEMS_MAX })?,
                url: format!("{}/notifications", self.site_url),
                button: self.say(language, "open", context! {})?,
            });
        }
        let kind = NotificationType::parse(&first.kind).filter(|_| owed.iter().all(|one| one.kind == first.kind));
        let token = self.links.unsubscribe(UserId::from_uuid(first.user_id), kind);
        let stop = self.say(language, if kind.is_some() { "stop_kind" } else { "stop_all" }, context! {})?;
        let why = self.say(language, "why", context! { site => &self.site, member => &first.username })?;
        let stop_url = format!("{}/unsubscribe?token={token}", self.site_url);
        let foot = Foot { why, stop: Some((stop, stop_url)) };
        Ok(Letter {
            id: first.notification_id.to_string(),
            address: first.address.clone(),
            stop: Some(token),
            ..self.compose(language, subject, &items, &foot)?
        })
    }

    /// Asks whoever reads mail to a member's address whether they want it.
    pub(super) fn question(&self, user: UserId, member: &Settings) -> anyhow::Result<Letter> {
        let language = member.language;
        let facts = || context! { site => &self.site, member => &member.username };
        let item = Item {
            line: self.say(language, "ask", facts())?,
            url: format!("{}/confirm-mail?token={}", self.site_url, self.links.confirm(user, &member.address)),
            button: self.say(language, "ask_button", context! {})?,
        };
        let foot = Foot { why: self.say(language, "ask_why", context! {})?, stop: None };
        let subject = self.say(language, "ask_subject", facts())?;
        Ok(Letter {
            id: kit::ids::uuid().to_string(),
            address: member.address.clone(),
            ..self.compose(language, subject, &[item], &foot)?
        })
    }

    /// The link by which a member chooses a new password. `expires`: seconds since 1970.
    pub(super) fn reset(
        &self,
        id: &str,
        user: UserId,
        member: &Settings,
        password_hash: &str,
        expires: u64,
    ) -> anyhow::Result<Letter> {
        let token = self.links.reset(user, &member.address, password_hash, expires);
        self.about_account(id, member, ("reset", "reset"), &format!("/reset?token={token}"))
    }

    /// Tells a member that their password is another, and where to go if that was not their doing.
    pub(super) fn password_changed(&self, id: &str, member: &Settings) -> anyhow::Result<Letter> {
        self.about_account(id, member, ("password", "password"), "/forgot")
    }

    /// Tells a member what became of their two-factor sign-in, and where to look after it if that was not their doing.
    pub(super) fn two_factor_changed(
        &self,
        id: &str,
        member: &Settings,
        change: TwoFactorChange,
    ) -> anyhow::Result<Letter> {
        let line = format!("two_factor_{}", change.as_str());
        self.about_account(id, member, ("two_factor", &line), "/settings#security")
    }

    /// Words of the family `key`, of which `line` says what happened, with one way to go.
    fn about_account(
        &self,
        id: &str,
        member: &Settings,
        (key, line): (&str, &str),
        place: &str,
    ) -> anyhow::Result<Letter> {
        let language = member.language;
        let say = |key: &str| self.say(language, key, context! { site => &self.site, member => &member.username });
        let item =
            Item { line: say(line)?, url: format!("{}{place}", self.site_url), button: say(&format!("{key}_button"))? };
        let foot = Foot { why: say(&format!("{key}_why"))?, stop: None };
        Ok(Letter {
            id: id.to_owned(),
            address: member.address.clone(),
            ..self.compose(language, say(&format!("{key}_subject"))?, &[item], &foot)?
        })
    }

    fn item(&self, language: Language, owed: &Owed) -> anyhow::Result<Item> {
        let kind = NotificationType::parse(&owed.kind);
        let line = match kind {
            Some(kind) => {
                let name = plain(owed.actor_name.as_deref().unwrap_or_default());
                let title = plain(owed.title.as_deref().unwrap_or_default());
                let channel = plain(owed.channel_name.as_deref().unwrap_or_default());
                let detail = plain(owed.detail.as_deref().unwrap_or_default());
                self.say(language, kind.as_str(), context! { name, title, channel, detail })?
            }
            // Of a kind that a newer version knows.
            None => plain(&owed.message),
        };
        let button = match kind {
            Some(NotificationType::StreamOnline | NotificationType::VodReady) => "watch",
            _ => "open",
        };
        let (actor, channel) = (owed.actor_username.as_deref(), owed.channel_username.as_deref());
        let place = notify::place(&owed.kind, owed.entity_id, actor, channel);
        Ok(Item { line, url: format!("{}{place}", self.site_url), button: self.say(language, button, context! {})? })
    }

    /// Both forms. Whom it goes to and how it ends is the caller's to fill in.
    fn compose(&self, language: Language, subject: String, items: &[Item], foot: &Foot) -> anyhow::Result<Letter> {
        let items: Vec<Value> = items
            .iter()
            .map(|item| context! { line => &item.line, url => &item.url, button => &item.button })
            .collect();
        let (stop, stop_url) = foot.stop.clone().unwrap_or_default();
        let facts = context! {
            lang => language.as_str(),
            subject => &subject,
            items => items,
            why => &foot.why,
            stop => stop,
            stop_url => stop_url,
            settings => self.say(language, "settings", context! {})?,
            settings_url => format!("{}/settings#notifications", self.site_url),
        };
        Ok(Letter {
            text: self.forms.get_template(TEXT)?.render(facts.clone())?,
            html: self.forms.get_template(HTML)?.render(facts)?,
            id: String::new(),
            address: String::new(),
            stop: None,
            subject,
        })
    }

    fn say(&self, language: Language, key: &str, facts: Value) -> anyhow::Result<String> {
        let words = match language {
            Language::En => &self.english,
            Language::Vi => &self.vietnamese,
        };
        let words = words.get(key).with_context(|| format!("mails have no words for {key:?}"))?;
        Ok(self.forms.render_str(words, facts)?)
    }
}

/// Text on one line, and not too much of it.
fn plain(text: &str) -> String {
    let line: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(WORD_CHARS_MAX).collect();
    line.trim().to_owned()
}

#[cfg(test)]
mod tests {
    use kit::Secret;

    use super::*;

    fn desk() -> Desk {
        Desk::new("https://tv.example", "tv.example", MailLinks::new(&Secret::new("s"))).unwrap()
    }

    fn owed(kind: &str, title: &str, language: &str) -> Owed {
        Owed {
            notification_id: kit::ids::uuid(),
            user_id: kit::ids::uuid(),
            username: "bob".to_owned(),
            address: "bob@mail.example".to_owned(),
            language: language.to_owned(),
            kind: kind.to_owned(),
            message: "something new".to_owned(),
            entity_id: kit::ids::uuid(),
            title: Some(title.to_owned()),
            actor_username: Some("alice".to_owned()),
            actor_name: Some("Alice & <Co>".to_owned()),
            channel_username: None,
            channel_name: None,
            detail: None,
            is_moot: false,
        }
    }

    #[test]
    fn every_kind_has_words_in_every_language() {
        let desk = desk();
        let keys = |words: &BTreeMap<String, String>| words.keys().cloned().collect::<Vec<_>>();
        assert_eq!(keys(&desk.english), keys(&desk.vietnamese));
        for kind in NotificationType::ALL {
            for language in Language::ALL {
                let letter = desk.notice(&[&owed(kind.as_str(), "Hello", language.as_str())]).unwrap();
                assert!(!letter.subject.contains("{{") && letter.subject.lines().count() == 1, "{letter:?}");
                assert!(letter.text.contains("https://tv.example/unsubscribe?token="), "{}", letter.text);
                assert!(letter.html.contains(&format!("<html lang=\"{}\">", language.as_str())));
            }
        }
        let settings = Settings {
            username: "bob".to_owned(),
            address: "bob@mail.example".to_owned(),
            is_confirmed: false,
            language: Language::Vi,
        };
        let letter = desk.question(UserId::from_uuid(kit::ids::uuid()), &settings).unwrap();
        assert!(letter.stop.is_none() && letter.text.contains("/confirm-mail?token="), "{}", letter.text);
        assert!(!letter.text.contains("/unsubscribe"), "{}", letter.text);
        for language in Language::ALL {
            let member = Settings { language, ..settings.clone() };
            let reset =
                desk.reset("one", UserId::from_uuid(kit::ids::uuid()), &member, "$argon2id$", u64::MAX).unwrap();
            assert!(reset.text.contains("https://tv.example/reset?token="), "{}", reset.text);
            let changed = desk.password_changed("two", &member).unwrap();
            assert!(changed.text.contains("https://tv.example/forgot"), "{}", changed.text);
            for change in TwoFactorChange::ALL {
                let letter = desk.two_factor_changed("three", &member, change).unwrap();
                assert!(letter.text.contains("https://tv.example/settings#security"), "{}", letter.text);
                assert!(letter.stop.is_none() && letter.text.contains("bob"), "{}", letter.text);
            }
            for letter in [reset, changed] {
                assert!(letter.stop.is_none() && letter.text.contains("bob"), "{}", letter.text);
            }
        }
    }

    #[test]
    fn a_strangers_words_are_words_and_nothing_else() {
        let letter = desk().notice(&[&owed("stream_online", "{{ 7 * 6 }}\r\nBcc: all@x <b>", "en")]).unwrap();
        assert_eq!(letter.subject, "Alice & <Co> is live: {{ 7 * 6 }}  Bcc: all@x <b>");
        assert!(!letter.html.contains("<Co>") && !letter.html.contains("<b>"), "{}", letter.html);
        assert!(letter.html.contains("Alice &amp; &lt;Co&gt; is live"), "{}", letter.html);
        let long = desk().notice(&[&owed("stream_online", &"x".repeat(5_000), "en")]).unwrap();
        assert!(long.subject.len() < 300);
    }

    #[test]
    fn several_things_are_one_letter_that_ends_what_it_tells_of() {
        let desk = desk();
        let one = owed("stream_online", "Hello", "en");
        let read = |letter: &Letter| desk.links.read_unsubscribe(letter.stop.as_deref().unwrap()).unwrap().kind;
        assert_eq!(read(&desk.notice(&[&one, &one]).unwrap()), Some(NotificationType::StreamOnline));
        let both = desk.notice(&[&one, &owed("friend_request", "", "en")]).unwrap();
        assert_eq!(both.subject, "2 new notifications on tv.example");
        assert_eq!(read(&both), None);
        assert!(both.text.contains("Alice & <Co> is live: Hello\nhttps://tv.example/c/alice\n\n"), "{}", both.text);
        assert!(both.text.contains("\n-- \nYou asked for mail"), "{}", both.text);
    }

    #[test]
    fn what_was_collected_is_one_letter_of_a_bearable_length() {
        let desk = desk();
        let all = vec![owed("new_follower", "", "en"); 25];
        let letter = desk.notice(&all.iter().collect::<Vec<_>>()).unwrap();
        assert_eq!(letter.subject, "25 new notifications on tv.example");
        assert_eq!(letter.text.matches("follows you now").count(), 20);
        assert!(letter.text.contains("And 5 more\nhttps://tv.example/notifications\n"), "{}", letter.text);
    }

    #[test]
    fn a_mention_says_where_and_leads_there() {
        let line = Owed {
            channel_username: Some("chloe".to_owned()),
            channel_name: Some("Chloé".to_owned()),
            ..owed("mention", "", "en")
        };
        let letter = desk().notice(&[&line]).unwrap();
        assert_eq!(letter.subject, "Alice & <Co> mentioned you in the chat of Chloé");
        assert!(letter.text.contains("https://tv.example/c/chloe#chat\n"), "{}", letter.text);
    }

    #[test]
    fn a_kind_of_a_newer_version_is_told_in_its_own_words() {
        let letter = desk().notice(&[&owed("eclipse", "", "vi")]).unwrap();
        assert_eq!(letter.subject, "something new");
    }
}
