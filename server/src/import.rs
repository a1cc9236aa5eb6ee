//! `rillcast import`: a video file of this machine becomes a recording, for those who bring their recordings from elsewhere.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, bail, ensure};
use db::imports::New;
use domain::import::Container;
use domain::{Visibility, VodId};
use kit::{Config, Stop};
use objects::{CACHE_IMMUTABLE, FileUpload, keys};
use sha2::{Digest, Sha256};
use tokio::task::JoinSet;

use crate::cli::ImportArgs;
use crate::{commands, embedded};

/// What one request may bring to a bucket (S3's own bound).
const BYTES_MAX: u64 = 5 * 1024 * 1024 * 1024;

pub async fn run(args: ImportArgs, config: Config) -> anyhow::Result<ExitCode> {
    let name = args.file.display();
    let mut file = File::open(&args.file).with_context(|| format!("{name} cannot be opened"))?;
    let container = container(&mut file)?.with_context(|| format!("{name} is no MP4, MOV, Matroska or WebM file"))?;
    let bytes = file.metadata()?.len();
    ensure!(bytes <= BYTES_MAX, "{name} has more than 5 GiB");
    let visibility = Visibility::parse(&args.visibility).context("no such visibility")?;
    let (pool, mut config) = commands::pool(config).await?;
    let Some(user) = db::users::credentials(&mut *pool.acquire().await?, &args.channel).await? else {
        bail!("there is no channel {}", args.channel);
    };
    let (stop, mut serving) = (Stop::new(), JoinSet::new());
    if config.storage.endpoint.is_empty() {
        let s3 = embedded::s3::start(&config.data_dir.clone(), &mut config.storage).await?;
        serving.spawn(s3.run(stop.clone()));
    }
    let objects = objects::Objects::new(&config.storage)?;
    let vod = VodId::from_uuid(kit::ids::uuid());
    let key = keys::import_source(vod);
    let (file, sha256) = tokio::task::spawn_blocking(move || hashed(file)).await??;
    let upload = FileUpload {
        key: &key,
        file: &file,
        bytes,
        sha256,
        content_type: "application/octet-stream",
        cache_control: CACHE_IMMUTABLE,
    };
    objects.put_file(&upload).await?;
    let title = args.title.unwrap_or_else(|| title(&args.file));
    let mut tx = db::begin(&pool).await?;
    let new = New {
        vod,
        channel: user.id,
        title: &title,
        visibility,
        source_key: &key,
        source_bytes: i64::try_from(bytes)?,
        container,
    };
    db::imports::queue(&mut tx, &new).await?;
    db::commit(tx).await?;
    println!("{vod} is queued: {}/v/{vod}", config.http.public_url.trim_end_matches('/'));
    stop.cancel();
    while serving.join_next().await.is_some() {}
    Ok(ExitCode::SUCCESS)
}

/// What the file is, by its first bytes.
fn container(file: &mut File) -> anyhow::Result<Option<Container>> {
    let mut head = Vec::new();
    file.by_ref().take(Container::HEAD_BYTES as u64).read_to_end(&mut head)?;
    file.seek(SeekFrom::Start(0))?;
    Ok(Container::of(&head))
}

fn hashed(mut file: File) -> anyhow::Result<(File, [u8; 32])> {
    let mut hash = Sha256::new();
    let mut piece = vec![0; 1024 * 1024];
    loop {
        match file.read(&mut piece)? {
            0 => break,
            read => hash.update(&piece[..read]),
        }
    }
    Ok((file, hash.finalize().into()))
}

/// The file's name without its ending.
fn title(file: &Path) -> String {
    file.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default()
}
