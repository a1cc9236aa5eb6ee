//! The web app's files and pages, the document, and what operators see.

use serde_json::Value;

use crate::harness::{Setup, Site};

#[tokio::test(flavor = "multi_thread")]
async fn every_page_is_the_web_app_and_nothing_else_is() {
    let site = Site::start().await;
    for page in ["/", "/c/alice", "/v/0190", "/studio", "/signin", "/popout/alice/chat", "/index.html"] {
        let answer = site.get(page).send().await.expect(200);
        assert!(answer.header("content-type").starts_with("text/html"), "{page}");
        assert_eq!(answer.header("cache-control"), "no-cache");
        let policy = answer.header("content-security-policy");
        assert!(policy.contains("default-src 'self'") && policy.contains("frame-ancestors 'none'"), "{policy}");
        assert!(!policy.split(';').any(|part| part.contains("script-src") && part.contains("unsafe")), "{policy}");
        assert_eq!(answer.header("x-frame-options"), "DENY");
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
        assert!(answer.text().contains("Rillcast"));
    }
    let embed = site.get("/embed/c/alice").send().await.expect(200);
    assert!(embed.header("content-security-policy").contains("frame-ancestors *"));
    assert_eq!(embed.header("x-frame-options"), "");
    for nothing in
        ["/api", "/api/v1/nothing", "/api/v2/me", "/vod/x/y/z.txt", "/assets/none.js", "/.env", "/../Cargo.toml"]
    {
        site.get(nothing).send().await.refused(404, "not-found");
    }
    site.post("/studio").send().await.refused(404, "not-found");
    site.call("DELETE", "/api/v1/me").send().await.refused(405, "request.method");
    let first = site.get("/").send().await.expect(200);
    let again = site.get("/").header("if-none-match", first.header("etag")).send().await.expect(304);
    assert!(again.body.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shared_link_says_what_it_is_and_cannot_be_broken_out_of() {
    let site = Site::start().await;
    let alice = site.register("alice").await;
    let (_, vod) = site.stream(&alice, "Oil & <b>water</b>\"", "live", "recording").await;
    let page = site.get("/c/alice").send().await.expect(200).text();
    assert!(
        page.contains(r#"<meta property="og:title" content="alice: Oil &amp; &lt;b&gt;water&lt;/b&gt;&quot;" />"#),
        "{page}"
    );
    assert!(page.contains(r#"content="http://tv.test/live/alice/thumbnail.jpg""#));
    assert!(page.contains("<title>alice: Oil &amp;"));
    assert!(!page.contains("<b>water"));
    let page = site.get(&format!("/v/{vod}")).send().await.expect(200).text();
    assert!(page.contains(&format!(r#"<meta property="og:url" content="http://tv.test/v/{vod}" />"#)), "{page}");
    let plain = site.get("/c/nobody").send().await.expect(200).text();
    assert!(!plain.contains("og:title"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_document_names_every_operation_once_and_is_served() {
    let text = api::openapi_json();
    let document: Value = serde_json::from_str(&text).expect("json");
    assert!(document["openapi"].as_str().expect("a version").starts_with("3.1"));
    let mut ids = Vec::new();
    for (path, item) in document["paths"].as_object().expect("paths") {
        assert!(!path.contains('*'), "{path}");
        for (method, operation) in item.as_object().expect("operations") {
            let id = operation["operationId"].as_str().unwrap_or_else(|| panic!("{method} {path} has no id"));
            assert!(operation["summary"].is_string() && operation["tags"].is_array(), "{id}");
            ids.push(id.to_owned());
        }
    }
    let count = ids.len();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), count, "ids are unique");
    for id in
        ["register", "login", "refresh", "logout", "upload_avatar", "live_media", "healthz", "metrics", "count_view"]
    {
        assert!(ids.iter().any(|known| known == id), "{id}");
    }
    for reference in text.split("\"#/components/schemas/").skip(1).filter_map(|rest| rest.split('"').next()) {
        assert!(document["components"]["schemas"].get(reference).is_some(), "{reference} is described");
    }
    let site = Site::start().await;
    let served = site.get("/api/v1/openapi.json").send().await.expect(200);
    assert_eq!(served.json, document);
    let docs = site.get("/docs").send().await.expect(200);
    assert!(!docs.text().contains("https://") && docs.text().contains("/docs/page.js"), "nothing comes from elsewhere");
    for file in ["/docs/page.js", "/docs/page.css"] {
        site.get(file).send().await.expect(200);
    }
    let packed = site.get("/api/v1/openapi.json").header("accept-encoding", "gzip").send().await.expect(200);
    assert_eq!(packed.header("content-encoding"), "gzip");
    assert!(packed.body.len() * 3 < served.body.len());
}

/// Every route of the document, called by nobody in particular: the ones that need a caller say so, none falls over.
#[tokio::test(flavor = "multi_thread")]
async fn routes_that_need_a_caller_refuse_strangers() {
    let site = Site::start().await;
    let document: Value = serde_json::from_str(&api::openapi_json()).expect("json");
    let mut protected = 0;
    for (path, item) in document["paths"].as_object().expect("paths") {
        for (method, operation) in item.as_object().expect("operations") {
            let needs_caller = operation["security"].as_array().is_some_and(|list| {
                list.iter().any(|one| one.get("bearer").is_some())
                    && list.iter().all(|one| one != &serde_json::json!({}))
            });
            let concrete =
                path.replace("{username}", "nobody").replace("{slug}", "games").replace("{path}", "nobody/x");
            let concrete = concrete
                .replace("{id}", &kit::ids::uuid().to_string())
                .replace("{user}", &kit::ids::uuid().to_string());
            let call = site.call(&method.to_uppercase(), &concrete).json(serde_json::json!({}));
            let answer = call.send().await;
            assert!(
                answer.status.as_u16() < 500 || ["/readyz", "/api/v1/events"].contains(&path.as_str()),
                "{method} {path}: {}",
                answer.text()
            );
            if needs_caller {
                protected += 1;
                assert_eq!(answer.status, 401, "{method} {path}: {}", answer.text());
            }
        }
    }
    assert!(protected >= 15, "{protected}");
}

#[tokio::test(flavor = "multi_thread")]
async fn numbers_are_for_the_operators_network() {
    let site = Site::start().await;
    site.get("/metrics").from("203.0.113.9").send().await.refused(404, "not-found");
    site.get("/metrics")
        .from("203.0.113.9")
        .header("x-forwarded-for", "127.0.0.1")
        .send()
        .await
        .refused(404, "not-found");
    for near in ["127.0.0.1", "::1", "10.1.2.3", "192.168.7.7"] {
        let numbers = site.get("/metrics").from(near).send().await.expect(200);
        assert!(numbers.text().contains("rillcast_http_requests_total"), "{near}");
    }
    let mut setup = Setup::new();
    setup.config.http.metrics_listen = "127.0.0.1:0".to_owned();
    let elsewhere = setup.start().await;
    elsewhere.get("/metrics").from("127.0.0.1").send().await.refused(404, "not-found");
    let operations = api::operations_router(kit::health::Health::default(), kit::telemetry::metrics());
    drop(operations);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_keeps_its_id_and_gets_one_when_it_has_none() {
    let site = Site::start().await;
    let kept = site.get("/healthz").header("x-request-id", "abc-123").send().await.expect(200);
    assert_eq!(kept.header("x-request-id"), "abc-123");
    for odd in ["a b", &"x".repeat(65), "<script>"] {
        let made = site.get("/healthz").header("x-request-id", odd).send().await.expect(200);
        assert_eq!(made.header("x-request-id").len(), 32, "{odd}");
    }
    let anonymous = site.get("/api/v1/categories").send().await.expect(200);
    assert_eq!(anonymous.header("cache-control"), "no-cache");
    assert_eq!(anonymous.header("access-control-allow-origin"), "", "the API is the site's own");
}
