//! Where things live in the bucket.

use domain::{AttachmentId, BlobId, EmoteId, ProofId, VodId};

/// Everything of one recording lives below this. Ends with a slash.
pub fn vod_prefix(vod: VodId) -> String {
    format!("vod/{vod}/")
}

/// The file name of a segment, in the bucket and in URLs.
pub fn segment_name(seq: u64) -> String {
    format!("seg{seq}.m4s")
}

/// The file name of an initialisation segment, in the bucket and in URLs.
pub fn init_name(init_no: u32) -> String {
    format!("init{init_no}.mp4")
}

pub fn vod_segment(vod: VodId, rendition: &str, seq: u64) -> String {
    format!("vod/{vod}/{rendition}/{}", segment_name(seq))
}

pub fn vod_init(vod: VodId, rendition: &str, init_no: u32) -> String {
    format!("vod/{vod}/{rendition}/{}", init_name(init_no))
}

pub fn vod_thumbnail(vod: VodId) -> String {
    format!("vod/{vod}/thumbnail.jpg")
}

/// The file name of a sheet of small pictures, in the bucket and in URLs. `seq` is its first picture's segment.
pub fn sheet_name(seq: u64) -> String {
    format!("sheet{seq}.jpg")
}

/// The segment a sheet's file name speaks of.
pub fn sheet_of_name(name: &str) -> Option<u64> {
    let seq = name.strip_prefix("sheet")?.strip_suffix(".jpg")?.parse().ok()?;
    (sheet_name(seq) == name).then_some(seq)
}

pub fn vod_sheet(vod: VodId, seq: u64) -> String {
    format!("vod/{vod}/storyboard/{}", sheet_name(seq))
}

/// A file an operator brought along, until its recording is made.
pub fn import_source(vod: VodId) -> String {
    format!("imports/{vod}")
}

/// The folder of all recordings, and the recording a folder right below it belongs to.
pub const VODS: &str = "vod/";

pub fn vod_of_folder(folder: &str) -> Option<VodId> {
    folder.strip_prefix(VODS)?.strip_suffix('/')?.parse().ok()
}

/// Whether a key is that of a segment or an init segment of this recording: what a recorder writes, and nothing else.
pub fn is_media_of(vod: VodId, key: &str) -> bool {
    let number = |name: &str, before: &str, after: &str| {
        let digits = name.strip_prefix(before).and_then(|rest| rest.strip_suffix(after));
        digits.is_some_and(|digits| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()))
    };
    let below = key.strip_prefix(&vod_prefix(vod)).and_then(|rest| rest.split_once('/'));
    below.is_some_and(|(_, name)| number(name, "seg", ".m4s") || number(name, "init", ".mp4"))
}

/// A picture of a channel's emote, so many pixels wide and high.
pub fn emote(emote: EmoteId, side: u32) -> String {
    format!("emote/{emote}/{side}.webp")
}

/// The folder of everything that is in messages of rooms, and what a folder right below it belongs to.
pub const ATTACHMENTS: &str = "room/";

pub fn attachment_of_folder(folder: &str) -> Option<AttachmentId> {
    folder.strip_prefix(ATTACHMENTS)?.strip_suffix('/')?.parse().ok()
}

/// Everything of one attachment lives below this. Ends with a slash.
pub fn attachment_prefix(attachment: AttachmentId) -> String {
    format!("{ATTACHMENTS}{attachment}/")
}

/// One object of an attachment. `lock` is what its row keeps to itself.
pub fn attachment(attachment: AttachmentId, lock: &str, part: AttachmentPart) -> String {
    let name = match part {
        AttachmentPart::Upload => "upload",
        AttachmentPart::Picture => "picture",
        AttachmentPart::Thumbnail => "thumbnail",
    };
    format!("{}{lock}/{name}", attachment_prefix(attachment))
}

/// What there is of an attachment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AttachmentPart {
    /// As it was sent.
    Upload,
    /// Our own encoding.
    Picture,
    Thumbnail,
}

/// The folder of members' files, and what a folder right below it belongs to.
pub const FILES: &str = "file/";

pub fn blob_of_folder(folder: &str) -> Option<BlobId> {
    folder.strip_prefix(FILES)?.strip_suffix('/')?.parse().ok()
}

/// Everything of one blob lives below this. Ends with a slash.
pub fn blob_prefix(blob: BlobId) -> String {
    format!("{FILES}{blob}/")
}

/// One object of a blob. `lock` is what its row keeps to itself.
pub fn blob(blob: BlobId, lock: &str, part: BlobPart) -> String {
    let name = match part {
        BlobPart::Upload => "upload",
        BlobPart::Picture => "picture",
        BlobPart::Thumbnail => "thumbnail",
    };
    format!("{}{lock}/{name}", blob_prefix(blob))
}

/// What there is of a blob.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BlobPart {
    /// As it was sent.
    Upload,
    /// Our own encoding.
    Picture,
    Thumbnail,
}

/// The folder of pictures that prove payments, and what a folder right below it belongs to.
pub const PROOFS: &str = "proof/";

pub fn proof_of_folder(folder: &str) -> Option<ProofId> {
    folder.strip_prefix(PROOFS)?.strip_suffix('/')?.parse().ok()
}

/// Everything of one proof lives below this. Ends with a slash.
pub fn proof_prefix(proof: ProofId) -> String {
    format!("{PROOFS}{proof}/")
}

/// One object of a proof. `lock` is what its row keeps to itself.
pub fn proof(proof: ProofId, lock: &str, part: ProofPart) -> String {
    let name = match part {
        ProofPart::Upload => "upload",
        ProofPart::Picture => "picture",
    };
    format!("{}{lock}/{name}", proof_prefix(proof))
}

/// What there is of a proof.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProofPart {
    /// As it was sent, for the scanner.
    Upload,
    /// Our own encoding.
    Picture,
}

pub use domain::user::avatar_url;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_of_a_recording_lives_below_its_prefix() {
        let vod = VodId::from_uuid(kit::ids::uuid());
        for key in [vod_segment(vod, "source", 7), vod_init(vod, "audio", 0), vod_thumbnail(vod)] {
            assert!(key.starts_with(&vod_prefix(vod)), "{key}");
        }
        assert!(vod_sheet(vod, 7).starts_with(&vod_prefix(vod)) && !is_media_of(vod, &vod_sheet(vod, 7)));
        assert_eq!(sheet_of_name(&sheet_name(7)), Some(7));
        for name in ["sheet.jpg", "sheet07.jpg", "sheet+7.jpg", "sheet7.png", "../sheet7.jpg"] {
            assert_eq!(sheet_of_name(name), None, "{name}");
        }
        assert!(vod_prefix(vod).ends_with('/'));
        assert_eq!(vod_of_folder(&vod_prefix(vod)), Some(vod));
        assert_eq!(vod_of_folder("vod/../"), None);
        assert!(is_media_of(vod, &vod_segment(vod, "source", 7)) && is_media_of(vod, &vod_init(vod, "audio", 0)));
        for other in [vod_thumbnail(vod), format!("vod/{vod}/source/segx.m4s"), format!("vod/{vod}/source/a/seg1.m4s")]
        {
            assert!(!is_media_of(vod, &other), "{other}");
        }
    }
}
