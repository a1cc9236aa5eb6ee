//! Which operations a token of a member's program may call, and with what scope. One table, and nothing that is not in it.
//!
//! What decides over the account itself (password, second step, sign-ins, tokens, closing it, where mail goes), what is said between
//! people (friends, rooms), and what the site's staff does are for signed-in people only.

use std::collections::HashMap;
use std::sync::OnceLock;

use domain::api_token::Scope;
use http::Method;
use utoipa::openapi::path::Operation;
use utoipa::openapi::security::SecurityRequirement;
use utoipa::openapi::{OpenApi, PathItem};

use self::Access::{Anybody, Session, With};
use crate::router;

/// Who may call an operation with a token of a program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    /// Whoever has this scope.
    With(Scope),
    /// Nobody: it is for signed-in people.
    Session,
    /// It asks nobody who they are.
    Anybody,
}

/// Operations by their ids.
const TABLE: &[(Access, &[&str])] = &[
    (
        Anybody,
        &[
            "forgot_password",
            "login",
            "second_step",
            "auth_options",
            "refresh",
            "register",
            "reset_password",
            "categories",
            "channel_emotes",
            "followers",
            "put_part",
            "confirm_mail",
            "unsubscribe_page",
            "unsubscribe",
            "openapi",
            "time",
            "channel_json_feed",
            "channel_rss",
            "clip_playlist",
            "clip_thumbnail",
            "clip_file",
            "docs",
            "healthz",
            "live_media",
            "avatar",
            "emote_picture",
            "metrics",
            "readyz",
            "vod_playlist",
            "vod_manifest",
            "vod_storyboard",
            "vod_storyboard_sheet",
            "vod_thumbnail",
            "vod_file",
            "plans",
            "open_share_link",
            "renew_share_visit",
            "shared_items",
            "shared_content",
            "shared_thumbnail",
        ],
    ),
    (
        Session,
        &[
            "audit_log",
            "audit_csv",
            "site_log",
            "site_reports",
            "decide_site_report",
            "admin_members",
            "remove_emote_of",
            "suspend_member",
            "reset_two_factor",
            "unsuspend_member",
            "put_category",
            "delete_category",
            "logout",
            "follow",
            "unfollow",
            "update_follow",
            "own_unban_request",
            "ask_unban",
            "appoint_moderator",
            "dismiss_moderator",
            "friends",
            "friend",
            "ask_friend",
            "end_friend",
            "update_me",
            "upload_avatar",
            "blocks",
            "block",
            "unblock",
            "close_account",
            "ask_for_mail",
            "stop_mail",
            "mod_layout",
            "keep_mod_layout",
            "notification_settings",
            "update_notification_settings",
            "change_password",
            "privacy",
            "update_privacy",
            "push_settings",
            "add_push_device",
            "remove_push_device",
            "my_room_invites",
            "join_room",
            "decline_room",
            "sign_ins",
            "end_other_sign_ins",
            "end_sign_in",
            "name_sign_in",
            "rotate_stream_key",
            "offer_takeover",
            "withdraw_takeover",
            "two_factor",
            "begin_two_factor",
            "confirm_two_factor",
            "end_two_factor",
            "renew_recovery_codes",
            "add_webhook",
            "remove_webhook",
            "update_webhook",
            "rotate_webhook_secret",
            "report",
            "rooms",
            "begin_room",
            "room",
            "update_room",
            "upload_attachment",
            "attachment",
            "take_attachment_back",
            "attachment_thumbnail",
            "room_invites",
            "invite_to_room",
            "withdraw_room_invite",
            "room_members",
            "remove_room_member",
            "update_room_member",
            "api_tokens",
            "add_api_token",
            "remove_api_token",
            "overview",
            "settings",
            "admin_streams",
            "cut_stream",
            "admin_member",
            "end_sign_ins_of",
            "set_role",
            "queues",
            "pause_queue",
            "resume_queue",
            "jobs",
            "retry_job",
            "run_job",
            "cancel_job",
            "subscription",
            "payments",
            "begin_payment",
            "payment",
            "payment_code",
            "cancel_payment",
            "submit_proof",
            "payment_proof",
            "pending_payments",
            "approve_payment",
            "reject_payment",
            "ask_payment_again",
        ],
    ),
    (
        With(Scope::ContentRead),
        &[
            "me",
            "following",
            "channel",
            "clips",
            "clip",
            "vod_clips",
            "streams",
            "stream",
            "vods",
            "vod",
            "search",
            "stream_playback_token",
            "vod_playback_token",
            "count_view",
            "count_clip_view",
        ],
    ),
    (
        With(Scope::ContentWrite),
        &["update_vod", "delete_vod", "cancel_import", "retry_import", "create_clip", "update_clip", "delete_clip"],
    ),
    (
        With(Scope::ChannelRead),
        &[
            "storage",
            "stream_settings",
            "my_ingest_health",
            "ingest_health",
            "my_analytics",
            "my_stream_analytics",
            "clip_settings",
            "webhooks",
            "webhook",
            "webhook_deliveries",
            "webhook_delivery",
        ],
    ),
    (
        With(Scope::ChannelWrite),
        &[
            "update_stream_settings",
            "update_clip_settings",
            "add_emote",
            "rename_emote",
            "remove_emote",
            "ping_webhook",
            "replay_webhook_delivery",
        ],
    ),
    (With(Scope::StreamKeyRead), &["stream_key"]),
    (
        With(Scope::ModerationRead),
        &[
            "moderators",
            "moderation_log",
            "sanctions",
            "filters",
            "held_lines",
            "channel_reports",
            "unban_requests",
            "chatter",
        ],
    ),
    (
        With(Scope::ModerationWrite),
        &["add_filter", "remove_filter", "decide_channel_report", "answer_unban_request", "add_note", "remove_note"],
    ),
    (
        With(Scope::FilesRead),
        &[
            "files",
            "file",
            "file_limits",
            "file_versions",
            "file_content",
            "file_thumbnail",
            "upload",
            "share_links",
            "share_link",
            "share_link_accesses",
            "share_link_qr",
        ],
    ),
    (
        With(Scope::FilesWrite),
        &[
            "begin_upload",
            "complete_upload",
            "abort_upload",
            "upload_file",
            "update_file",
            "trash_file",
            "restore_file",
            "cancel_file",
            "restore_file_version",
            "change_files",
            "rename_folder",
            "create_share_link",
            "update_share_link",
            "revoke_share_link",
        ],
    ),
    (With(Scope::NotificationsRead), &["notifications"]),
    (With(Scope::NotificationsWrite), &["read_notification", "read_notifications", "read_all_notifications"]),
    (With(Scope::EventsRead), &["events"]),
];

/// What the table says of an operation.
fn listed(id: &str) -> Option<Access> {
    TABLE.iter().find(|(_, ids)| ids.contains(&id)).map(|(access, _)| *access)
}

fn operations(item: &PathItem) -> [(Method, Option<&Operation>); 5] {
    [
        (Method::GET, item.get.as_ref()),
        (Method::POST, item.post.as_ref()),
        (Method::PUT, item.put.as_ref()),
        (Method::PATCH, item.patch.as_ref()),
        (Method::DELETE, item.delete.as_ref()),
    ]
}

type Routes = HashMap<(Method, String), Access>;

static ROUTES: OnceLock<Routes> = OnceLock::new();

/// What holds for a route, by its pattern. `None`: nothing is known of it, and no token of a program is good there.
pub(crate) fn of(method: &Method, pattern: &str) -> Option<Access> {
    let routes = ROUTES.get_or_init(|| {
        let document = router::document();
        let known = document.paths.paths.iter().flat_map(|(path, item)| {
            operations(item).into_iter().filter_map(move |(method, operation)| {
                let access = listed(operation?.operation_id.as_deref()?)?;
                Some(((method, path.clone()), access))
            })
        });
        known.collect()
    });
    let method = if *method == Method::HEAD { Method::GET } else { method.clone() };
    routes.get(&(method, pattern.to_owned())).copied()
}

/// Says in the document what scope each operation takes.
pub(crate) fn documented(document: &mut OpenApi) {
    for item in document.paths.paths.values_mut() {
        let all = [&mut item.get, &mut item.post, &mut item.put, &mut item.patch, &mut item.delete];
        for operation in all.into_iter().flatten() {
            let Some(With(scope)) = operation.operation_id.as_deref().and_then(listed) else { continue };
            let requirement = SecurityRequirement::new("api_token", [scope.as_str()]);
            operation.security.get_or_insert_default().push(requirement);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_operation_stands_in_the_table_once_and_nothing_else_does() {
        let document = router::document();
        let made: BTreeSet<&str> = document
            .paths
            .paths
            .values()
            .flat_map(operations)
            .filter_map(|(_, operation)| operation?.operation_id.as_deref())
            .collect();
        let all: Vec<&str> = TABLE.iter().flat_map(|(_, ids)| ids.iter().copied()).collect();
        let listed: BTreeSet<&str> = all.iter().copied().collect();
        assert_eq!(listed.len(), all.len(), "some operation stands there twice");
        assert_eq!(made.difference(&listed).collect::<Vec<_>>(), Vec::<&&str>::new(), "without a word on tokens");
        assert_eq!(listed.difference(&made).collect::<Vec<_>>(), Vec::<&&str>::new(), "there is no such operation");
    }

    #[test]
    fn what_asks_who_calls_is_not_for_anybody() {
        let document = router::document();
        for (_, operation) in document.paths.paths.values().flat_map(operations) {
            let Some(operation) = operation else { continue };
            let id = operation.operation_id.as_deref().expect("an id");
            let text = serde_json::to_string(&operation.security).expect("JSON");
            assert_eq!(super::listed(id) == Some(Anybody), !text.contains("bearer"), "{id}");
        }
        assert_eq!(of(&Method::HEAD, "/api/v1/files/{id}"), Some(With(Scope::FilesRead)));
        assert_eq!(of(&Method::GET, "/api/v1/nothing"), None);
    }
}
