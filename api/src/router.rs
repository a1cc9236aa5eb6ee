//! Every route, once: the router and the document are made from the same lists.

use std::time::Duration;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::get;
use domain::file::Parts;
use tower_http::catch_panic::CatchPanicLayer;
use utoipa::openapi::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::state::App;
use crate::{
    account, admin, allowance, analytics, api_tokens, auth, avatar, categories, channels, clips, closing, deprecation,
    docs, emotes, events, feeds, files, friends, health, idempotency, layers, live_playback, mail, me, moderation,
    new_password, notification_settings, notifications, ops, payments, plans, privacy, push, reports, rooms, search,
    shares, sign_ins, site, streams, takeover, throttle, two_factor, validators, vod_playback, vods, webhooks,
};

/// What a form adds around its file.
const FORM_BYTES: usize = 64 * 1024;
/// A list of 10,000 parts.
const PARTS_BYTES: usize = 2 * 1024 * 1024;
/// What a store may take to put them together.
const WHOLE_WAIT_MAX: Duration = Duration::from_secs(300);

fn register() -> OpenApiRouter<App> {
    OpenApiRouter::default().routes(routes!(auth::register))
}

fn login() -> OpenApiRouter<App> {
    OpenApiRouter::default().routes(routes!(auth::login))
}

fn second_step() -> OpenApiRouter<App> {
    OpenApiRouter::default().routes(routes!(two_factor::second_step))
}

fn session() -> OpenApiRouter<App> {
    OpenApiRouter::default().routes(routes!(auth::refresh)).routes(routes!(auth::logout))
}

fn forgot() -> OpenApiRouter<App> {
    OpenApiRouter::default().routes(routes!(new_password::forgot_password))
}

fn reset() -> OpenApiRouter<App> {
    OpenApiRouter::default().routes(routes!(new_password::reset_password))
}

fn json() -> OpenApiRouter<App> {
    OpenApiRouter::default()
        .routes(routes!(me::me, me::update_me))
        .routes(routes!(me::stream_key))
        .routes(routes!(closing::close_account))
        .routes(routes!(new_password::auth_options))
        .routes(routes!(new_password::change_password))
        .routes(routes!(two_factor::two_factor, two_factor::begin_two_factor))
        .routes(routes!(two_factor::confirm_two_factor))
        .routes(routes!(two_factor::renew_recovery_codes))
        .routes(routes!(two_factor::end_two_factor))
        .routes(routes!(sign_ins::sign_ins, sign_ins::end_other_sign_ins))
        .routes(routes!(sign_ins::name_sign_in, sign_ins::end_sign_in))
        .routes(routes!(api_tokens::remove_api_token))
        .routes(routes!(me::storage))
        .routes(routes!(plans::plans))
        .routes(routes!(plans::subscription))
        .routes(routes!(payments::payments))
        .routes(routes!(payments::payment))
        .routes(routes!(payments::payment_code))
        .routes(routes!(payments::cancel_payment))
        .routes(routes!(payments::desk::pending_payments))
        .routes(routes!(payments::proof::payment_proof))
        .routes(routes!(me::rotate_stream_key))
        .routes(routes!(me::stream_settings, me::update_stream_settings))
        .routes(routes!(takeover::offer_takeover, takeover::withdraw_takeover))
        .routes(routes!(health::my_ingest_health))
        .routes(routes!(analytics::my_analytics))
        .routes(routes!(analytics::my_stream_analytics))
        .routes(routes!(channels::following))
        .routes(routes!(channels::channel))
        .routes(routes!(channels::follow, channels::update_follow, channels::unfollow))
        .routes(routes!(channels::followers))
        .routes(routes!(moderation::moderators::moderators))
        .routes(routes!(moderation::moderators::appoint_moderator, moderation::moderators::dismiss_moderator))
        .routes(routes!(moderation::log::moderation_log))
        .routes(routes!(moderation::log::sanctions))
        .routes(routes!(moderation::filters::remove_filter))
        .routes(routes!(moderation::waiting::held_lines))
        .routes(routes!(moderation::reports::channel_reports))
        .routes(routes!(moderation::reports::decide_channel_report))
        .routes(routes!(moderation::pleas::unban_requests))
        .routes(routes!(moderation::pleas::answer_unban_request))
        .routes(routes!(moderation::pleas::own_unban_request, moderation::pleas::ask_unban))
        .routes(routes!(moderation::layout::mod_layout, moderation::layout::keep_mod_layout))
        .routes(routes!(admin::members::admin_members))
        .routes(routes!(admin::members::suspend_member))
        .routes(routes!(admin::members::unsuspend_member))
        .routes(routes!(admin::members::reset_two_factor))
        .routes(routes!(admin::members::site_log))
        .routes(routes!(admin::audit::audit_log))
        .routes(routes!(admin::audit::audit_csv))
        .routes(routes!(admin::reports::site_reports))
        .routes(routes!(admin::reports::decide_site_report))
        .routes(routes!(admin::overview::overview))
        .routes(routes!(admin::settings::settings))
        .routes(routes!(admin::streams::admin_streams))
        .routes(routes!(admin::streams::cut_stream))
        .routes(routes!(admin::people::admin_member))
        .routes(routes!(admin::people::end_sign_ins_of))
        .routes(routes!(admin::people::set_role))
        .routes(routes!(admin::queues::queues))
        .routes(routes!(admin::queues::pause_queue))
        .routes(routes!(admin::queues::resume_queue))
        .routes(routes!(admin::queues::jobs))
        .routes(routes!(admin::queues::retry_job))
        .routes(routes!(admin::queues::run_job))
        .routes(routes!(admin::queues::cancel_job))
        .routes(routes!(moderation::card::chatter))
        .routes(routes!(moderation::card::remove_note))
        .routes(routes!(friends::friends))
        .routes(routes!(friends::friend, friends::ask_friend, friends::end_friend))
        .routes(routes!(friends::blocks))
        .routes(routes!(friends::block, friends::unblock))
        .routes(routes!(privacy::privacy, privacy::update_privacy))
        .routes(routes!(rooms::room, rooms::update_room))
        .routes(routes!(rooms::attachments::attachment, rooms::attachments::take_attachment_back))
        .routes(routes!(rooms::attachments::attachment_thumbnail))
        .routes(routes!(files::files))
        .routes(routes!(files::file_limits))
        .routes(routes!(files::file, files::update_file, files::trash_file))
        .routes(routes!(files::restore_file))
        .routes(routes!(files::cancel_file))
        .routes(routes!(files::file_versions))
        .routes(routes!(files::restore_file_version))
        .routes(routes!(files::bulk::change_files))
        .routes(routes!(files::bulk::rename_folder))
        .routes(routes!(files::content::file_content))
        .routes(routes!(files::content::file_thumbnail))
        .routes(routes!(files::chunked::upload, files::chunked::abort_upload))
        .routes(routes!(shares::share_link, shares::update_share_link, shares::revoke_share_link))
        .routes(routes!(shares::share_link_accesses))
        .routes(routes!(shares::share_link_qr))
        .routes(routes!(shares::visit::open_share_link))
        .routes(routes!(shares::visit::renew_visit))
        .routes(routes!(shares::visit::shared_items))
        .routes(routes!(shares::content::shared_content))
        .routes(routes!(shares::content::shared_thumbnail))
        .routes(routes!(rooms::members::room_members))
        .routes(routes!(rooms::members::update_room_member, rooms::members::remove_room_member))
        .routes(routes!(rooms::members::room_invites))
        .routes(routes!(rooms::members::invite_to_room, rooms::members::withdraw_room_invite))
        .routes(routes!(rooms::members::my_room_invites))
        .routes(routes!(rooms::members::join_room, rooms::members::decline_room))
        .routes(routes!(emotes::channel_emotes))
        .routes(routes!(emotes::rename_emote, emotes::remove_emote))
        .routes(routes!(emotes::remove_emote_of))
        .routes(routes!(search::search))
        .routes(routes!(categories::categories))
        .routes(routes!(categories::put_category, categories::delete_category))
        .routes(routes!(streams::streams))
        .routes(routes!(streams::stream))
        .routes(routes!(health::ingest_health))
        .routes(routes!(streams::stream_playback_token))
        .routes(routes!(vods::vods))
        .routes(routes!(vods::vod, vods::update_vod, vods::delete_vod))
        .routes(routes!(vods::vod_playback_token))
        .routes(routes!(vods::count_view))
        .routes(routes!(vods::cancel_import))
        .routes(routes!(vods::retry_import))
        .routes(routes!(clips::clips))
        .routes(routes!(clips::clip, clips::update_clip, clips::delete_clip))
        .routes(routes!(clips::count_clip_view))
        .routes(routes!(clips::clip_settings, clips::update_clip_settings))
        .routes(routes!(events::events))
        .routes(routes!(notifications::notifications))
        .routes(routes!(notifications::read_notification))
        .routes(routes!(notifications::read_notifications))
        .routes(routes!(notifications::read_all_notifications))
        .routes(routes!(mail::ask_for_mail, mail::stop_mail))
        .routes(routes!(mail::confirm_mail))
        .routes(routes!(mail::unsubscribe, mail::unsubscribe_page))
        .routes(routes!(push::push_settings))
        .routes(routes!(push::add_push_device))
        .routes(routes!(push::remove_push_device))
        .routes(routes!(webhooks::webhook, webhooks::update_webhook, webhooks::remove_webhook))
        .routes(routes!(webhooks::deliveries::webhook_deliveries))
        .routes(routes!(webhooks::deliveries::webhook_delivery))
        .routes(routes!(
            notification_settings::notification_settings,
            notification_settings::update_notification_settings
        ))
}

/// Routes whose POST makes something that one would not want twice: they take an `Idempotency-Key`, and the document says so.
fn creating() -> OpenApiRouter<App> {
    idempotency::documented(
        OpenApiRouter::default()
            .routes(routes!(clips::vod_clips, clips::create_clip))
            .routes(routes!(rooms::rooms, rooms::begin_room))
            .routes(routes!(files::chunked::begin_upload))
            .routes(routes!(shares::share_links, shares::create_share_link))
            .routes(routes!(api_tokens::api_tokens, api_tokens::add_api_token))
            .routes(routes!(reports::report))
            .routes(routes!(payments::begin_payment))
            .routes(routes!(payments::desk::approve_payment))
            .routes(routes!(payments::desk::reject_payment))
            .routes(routes!(payments::desk::ask_payment_again))
            .routes(routes!(moderation::filters::filters, moderation::filters::add_filter))
            .routes(routes!(moderation::card::add_note))
            .routes(routes!(webhooks::webhooks, webhooks::add_webhook))
            .routes(routes!(webhooks::rotate_webhook_secret))
            .routes(routes!(webhooks::deliveries::ping_webhook))
            .routes(routes!(webhooks::deliveries::replay_webhook_delivery)),
    )
}

fn upload() -> OpenApiRouter<App> {
    OpenApiRouter::default().routes(routes!(avatar::upload_avatar))
}

fn emote() -> OpenApiRouter<App> {
    OpenApiRouter::default().routes(routes!(emotes::add_emote))
}

fn proof() -> OpenApiRouter<App> {
    OpenApiRouter::default().routes(routes!(payments::proof::submit_proof))
}

fn attachment() -> OpenApiRouter<App> {
    OpenApiRouter::default().routes(routes!(rooms::attachments::upload_attachment))
}

fn file() -> OpenApiRouter<App> {
    OpenApiRouter::default().routes(routes!(files::form::upload_file))
}

/// Parts are passed on as they come, and their length is in their links.
fn parts() -> OpenApiRouter<App> {
    OpenApiRouter::default().routes(routes!(files::chunked::put_part))
}

/// A store takes its time to put many parts together.
fn whole() -> OpenApiRouter<App> {
    OpenApiRouter::default().routes(routes!(files::chunked::complete_upload))
}

fn media() -> OpenApiRouter<App> {
    OpenApiRouter::default()
        .routes(routes!(live_playback::live_media))
        .routes(routes!(live_playback::time))
        .routes(routes!(avatar::avatar))
        .routes(routes!(emotes::emote_picture))
        .routes(routes!(feeds::channel_rss))
        .routes(routes!(feeds::channel_json_feed))
        .merge(vod_playback::router())
}

fn operations() -> OpenApiRouter<App> {
    OpenApiRouter::default()
        .routes(routes!(docs::openapi))
        .routes(routes!(docs::page))
        .routes(routes!(ops::healthz))
        .routes(routes!(ops::readyz))
        .routes(routes!(ops::metrics))
}

/// The document of every route.
pub(crate) fn document() -> OpenApi {
    [
        creating(),
        register(),
        login(),
        second_step(),
        session(),
        forgot(),
        reset(),
        upload(),
        emote(),
        proof(),
        attachment(),
        file(),
        parts(),
        whole(),
        media(),
        operations(),
    ]
    .into_iter()
    .fold(OpenApiRouter::with_openapi(docs::base()).merge(json()), OpenApiRouter::merge)
    .into_openapi()
}

/// The router, each group of routes with the layers it needs.
pub(crate) fn build(app: &App) -> Router {
    let body_max = usize::try_from(app.config.http.body_bytes_max).unwrap_or(usize::MAX);
    let calls = OpenApiRouter::default()
        .merge(register().layer(from_fn_with_state(app.clone(), throttle::register)))
        .merge(login().layer(from_fn_with_state(app.clone(), throttle::login)))
        .merge(second_step().layer(from_fn_with_state(app.clone(), throttle::second_step)))
        .merge(session().layer(from_fn_with_state(app.clone(), throttle::refresh)))
        .merge(forgot().layer(from_fn_with_state(app.clone(), throttle::forgot)))
        .merge(reset().layer(from_fn_with_state(app.clone(), throttle::reset)))
        .merge(json().layer(from_fn(validators::tell)).layer(from_fn_with_state(app.clone(), account::beside)))
        .merge(
            creating()
                .layer(from_fn_with_state(app.clone(), idempotency::once))
                .layer(from_fn_with_state(app.clone(), account::beside)),
        )
        .layer(DefaultBodyLimit::max(body_max))
        .layer(from_fn_with_state(layers::ANSWER_WAIT_MAX, layers::deadline));
    let largest = usize::try_from(app.config.attachments.bytes_max()).unwrap_or(usize::MAX);
    let form = usize::try_from(app.config.files.form_bytes_max()).unwrap_or(usize::MAX);
    let largest_part = usize::try_from(Parts::of(app.config.upload_bytes_max()).part_bytes).unwrap_or(usize::MAX);
    let uploads = upload()
        .layer(DefaultBodyLimit::max(avatar::UPLOAD_BYTES_MAX + FORM_BYTES))
        .merge(emote().layer(DefaultBodyLimit::max(emotes::UPLOAD_BYTES_MAX + FORM_BYTES)))
        .merge(proof().layer(DefaultBodyLimit::max(payments::proof::UPLOAD_BYTES_MAX + FORM_BYTES)))
        .layer(from_fn_with_state(layers::UPLOAD_WAIT_MAX, layers::deadline))
        .merge(
            attachment()
                .layer(DefaultBodyLimit::max(largest.saturating_add(FORM_BYTES)))
                .layer(from_fn_with_state(layers::upload_wait(largest), layers::deadline)),
        )
        .merge(
            file()
                .layer(DefaultBodyLimit::max(form.saturating_add(FORM_BYTES)))
                .layer(from_fn_with_state(layers::upload_wait(form), layers::deadline)),
        )
        .merge(
            parts()
                .layer(DefaultBodyLimit::disable())
                .layer(from_fn_with_state(layers::upload_wait(largest_part), layers::deadline)),
        )
        .merge(
            whole()
                .layer(DefaultBodyLimit::max(PARTS_BYTES))
                .layer(from_fn_with_state(WHOLE_WAIT_MAX, layers::deadline)),
        );
    // Media comes compressed or not at all, and each layer costs every part that is asked for.
    let media = axum(media()).method_not_allowed_fallback(layers::method_not_allowed).layer(from_fn(layers::open));
    let calls = calls
        .merge(uploads)
        .layer(from_fn(allowance::tell))
        .layer(from_fn_with_state(deprecation::TABLE, deprecation::tell))
        .layer(from_fn(layers::caching));
    axum(calls.merge(operations()))
        .route("/docs/page.js", get(docs::script))
        .route("/docs/page.css", get(docs::style))
        .method_not_allowed_fallback(layers::method_not_allowed)
        .fallback(site::fallback)
        .layer(layers::compression())
        .merge(media)
        // One layer of several: axum boxes what is around each.
        .layer((from_fn_with_state(app.clone(), layers::observe), CatchPanicLayer::custom(layers::panicked)))
        .with_state(app.clone())
}

/// The routes without their part of the document.
fn axum(routes: OpenApiRouter<App>) -> Router<App> {
    routes.split_for_parts().0
}
