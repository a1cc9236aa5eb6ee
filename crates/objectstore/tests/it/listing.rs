//! Lists: order, pages, folds.

use futures::StreamExt;

use crate::site::{BUCKET, Site};

/// All pages of a list, and how many there were.
async fn pages(site: &Site, prefix: &str, delimiter: Option<&str>, max: i32) -> (Vec<String>, usize) {
    let (mut found, mut count, mut token) = (Vec::new(), 0, None);
    loop {
        let list = site.client.list_objects_v2().bucket(BUCKET).prefix(prefix).max_keys(max);
        let list = list.set_delimiter(delimiter.map(str::to_owned)).set_continuation_token(token);
        let page = list.send().await.expect("a page");
        count += 1;
        let mut both: Vec<String> =
            page.contents().iter().filter_map(|object| object.key().map(str::to_owned)).collect();
        both.extend(page.common_prefixes().iter().filter_map(|prefix| prefix.prefix().map(str::to_owned)));
        assert!(both.len() <= usize::try_from(max).expect("positive"));
        assert_eq!(page.key_count(), i32::try_from(both.len()).ok());
        both.sort();
        found.extend(both);
        token = page.next_continuation_token().map(str::to_owned);
        assert_eq!(page.is_truncated(), Some(token.is_some()));
        if token.is_none() {
            return (found, count);
        }
    }
}

#[tokio::test]
async fn two_and_a_half_thousand_keys_come_in_order_and_in_pages() {
    let site = Site::start_unsynced().await;
    let mut keys: Vec<String> = (0..2_494).map(|n| format!("vod/{}/seg{n}.m4s", n % 7)).collect();
    // Around the slash: `-` and `.` sort before it, digits after.
    keys.extend(["vod/1-", "vod/1.x", "vod/1", "vod/10/x", "vod-", "w"].map(str::to_owned));
    futures::stream::iter(&keys).for_each_concurrent(8, |key| site.put(key, "x")).await;
    keys.sort();
    assert_eq!(keys.len(), 2_500);

    assert_eq!(pages(&site, "", None, 1_000).await, (keys.clone(), 3));
    assert_eq!(pages(&site, "", None, 500).await, (keys.clone(), 5), "a full last page is the last");
    let below = |prefix: &str| keys.iter().filter(|key| key.starts_with(prefix)).cloned().collect::<Vec<_>>();
    for prefix in ["vod/3/", "vod/1", "vod/1/seg1", "nothing/", "w", "../"] {
        assert_eq!(pages(&site, prefix, None, 300).await.0, below(prefix), "{prefix}");
    }
    let folders: Vec<String> =
        ["vod/0/", "vod/1", "vod/1-", "vod/1.x", "vod/1/", "vod/10/", "vod/2/", "vod/3/", "vod/4/", "vod/5/", "vod/6/"]
            .map(str::to_owned)
            .to_vec();
    for max in [1, 3, 1_000] {
        assert_eq!(pages(&site, "vod/", Some("/"), max).await.0, folders, "pages of {max}");
    }
    assert_eq!(pages(&site, "", Some("/"), 1_000).await.0, ["vod-", "vod/", "w"]);
    assert_eq!(pages(&site, "vod/10", Some("0/"), 10).await.0, ["vod/10/x"], "any text folds");
    assert_eq!(pages(&site, "vod/1", Some("0/"), 10).await.0.last().map(String::as_str), Some("vod/10/"));

    let after =
        site.client.list_objects_v2().bucket(BUCKET).start_after("vod/6/seg999.m4s").send().await.expect("a list");
    let expected = keys.iter().filter(|key| key.as_str() > "vod/6/seg999.m4s").count();
    assert_eq!(after.contents().len(), expected);
    let none = site.client.list_objects_v2().bucket(BUCKET).max_keys(0).send().await.expect("a list");
    assert_eq!((none.contents().len(), none.is_truncated()), (0, Some(false)));
    let bad = site.client.list_objects_v2().bucket(BUCKET).continuation_token("zz").send().await;
    assert_eq!(crate::site::said(&bad.expect_err("not ours")).0, 400);

    let mut marker: Option<String> = None;
    let mut found = Vec::new();
    loop {
        let list = site.client.list_objects().bucket(BUCKET).prefix("vod/").delimiter("/").max_keys(2);
        let page = list.set_marker(marker).send().await.expect("a page");
        found.extend(page.contents().iter().filter_map(|object| object.key().map(str::to_owned)));
        found.extend(page.common_prefixes().iter().filter_map(|prefix| prefix.prefix().map(str::to_owned)));
        marker = page.next_marker().map(str::to_owned);
        if marker.is_none() {
            break;
        }
    }
    found.sort();
    assert_eq!(found, folders, "the older list pages through the same");

    let listed = site.client.list_objects_v2().bucket(BUCKET).prefix("w").send().await.expect("a list");
    let head = site.client.head_object().bucket(BUCKET).key("w").send().await.expect("head");
    assert_eq!(listed.contents()[0].e_tag(), head.e_tag());
    assert_eq!(listed.contents()[0].size(), Some(1));
}

#[tokio::test]
async fn keys_that_xml_cannot_carry_are_listed_when_asked_for_coded() {
    let site = Site::start().await;
    site.put("line\nand\u{1}bell ü&<", "x").await;
    let list = site.client.list_objects_v2().bucket(BUCKET).encoding_type("url".into()).send().await.expect("a list");
    let key = list.contents()[0].key().expect("a key");
    assert!(key == "line%0Aand%01bell%20%C3%BC%26%3C" || key == "line\nand\u{1}bell ü&<", "{key}");
}
