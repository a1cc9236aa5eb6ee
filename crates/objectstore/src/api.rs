//! S3's operations.

use std::collections::BTreeSet;

use s3s::dto::*;
use s3s::{S3, S3Request, S3Response, S3Result};

use crate::commit::{self, Condition, Temp};
use crate::convert::{self, Encoding, ReadCondition, attributes, signed};
use crate::disk::Store;
use crate::error::{Result, StoreError};
use crate::intake::{self, BODY_BYTES_MAX, Claims};
use crate::list::{self, Marker, Page, Query};
use crate::multipart::{self, About, PART_NUMBER_MAX};
use crate::object::Stored;
use crate::read;

/// S3's limit for one request to delete.
const DELETED_MAX: usize = 1_000;

fn answer<T>(output: T) -> S3Result<S3Response<T>> {
    Ok(S3Response::new(output))
}

/// How long a page may be.
fn page_len(asked: Option<i32>) -> Result<usize> {
    let asked = asked.unwrap_or(i32::MAX);
    let asked = usize::try_from(asked).map_err(|_| StoreError::InvalidArgument("a page has no negative length"))?;
    Ok(asked.min(list::PAGE_LEN_MAX))
}

fn objects(page: &mut Page, encoding: Encoding) -> (ObjectList, CommonPrefixList) {
    let entries = page.entries.drain(..).map(|entry| Object {
        key: Some(encoding.write(entry.key)),
        size: Some(signed(entry.size)),
        e_tag: entry.etag.map(ETag::Strong),
        last_modified: Some(entry.modified.into()),
        storage_class: Some(ObjectStorageClass::from_static(ObjectStorageClass::STANDARD)),
        ..Object::default()
    });
    let prefixes = page.prefixes.drain(..).map(|prefix| CommonPrefix { prefix: Some(encoding.write(prefix)) });
    (entries.collect(), prefixes.collect())
}

#[async_trait::async_trait]
impl S3 for Store {
    async fn create_bucket(&self, req: S3Request<CreateBucketInput>) -> S3Result<S3Response<CreateBucketOutput>> {
        let bucket = req.input.bucket;
        let is_new = self.work(move |disk| disk.make_bucket_dir(&bucket)).await?;
        // Everything here has one owner.
        if is_new { answer(CreateBucketOutput::default()) } else { Err(s3s::s3_error!(BucketAlreadyOwnedByYou)) }
    }

    async fn head_bucket(&self, req: S3Request<HeadBucketInput>) -> S3Result<S3Response<HeadBucketOutput>> {
        self.work(move |disk| disk.check_bucket(&req.input.bucket)).await?;
        answer(HeadBucketOutput::default())
    }

    async fn get_bucket_location(
        &self,
        req: S3Request<GetBucketLocationInput>,
    ) -> S3Result<S3Response<GetBucketLocationOutput>> {
        self.work(move |disk| disk.check_bucket(&req.input.bucket)).await?;
        answer(GetBucketLocationOutput::default())
    }

    async fn list_buckets(&self, _req: S3Request<ListBucketsInput>) -> S3Result<S3Response<ListBucketsOutput>> {
        let names = self.work(|disk| disk.buckets()).await?;
        let buckets = names.into_iter().map(|name| Bucket { name: Some(name), ..Bucket::default() }).collect();
        answer(ListBucketsOutput { buckets: Some(buckets), ..ListBucketsOutput::default() })
    }

    async fn put_object(&self, mut req: S3Request<PutObjectInput>) -> S3Result<S3Response<PutObjectOutput>> {
        let claims = Claims::read(&req, req.input.content_length, req.input.content_md5.as_deref())?;
        let attributes = attributes!(req.input)?;
        if req.input.write_offset_bytes.is_some() {
            return Err(StoreError::NotImplemented("appending").into());
        }
        let PutObjectInput { bucket, key, body, if_match, if_none_match, .. } = req.input;
        // Before the body: its sender need not send all of it to hear no.
        self.disk.object_path(&bucket, &key)?;
        self.disk.check_bucket(&bucket)?;
        let condition = Condition { if_match, if_none_match };
        let received = intake::receive(self, body, claims).await?;
        let size = signed(received.size());
        let work = move |disk: &_| {
            let written = received.write(disk, attributes)?;
            written.temp.commit(disk, &bucket, &key, &condition)?;
            Ok((written.etag, written.checksums))
        };
        let (etag, checksums) = self.work(work).await?;
        answer(PutObjectOutput {
            e_tag: Some(ETag::Strong(etag)),
            size: Some(size),
            checksum_crc32: checksums.checksum_crc32,
            checksum_crc32c: checksums.checksum_crc32c,
            checksum_crc64nvme: checksums.checksum_crc64nvme,
            checksum_sha1: checksums.checksum_sha1,
            checksum_sha256: checksums.checksum_sha256,
            ..PutObjectOutput::default()
        })
    }

    async fn post_object(&self, _req: S3Request<PostObjectInput>) -> S3Result<S3Response<PostObjectOutput>> {
        Err(StoreError::NotImplemented("uploading by form").into())
    }

    async fn get_object(&self, req: S3Request<GetObjectInput>) -> S3Result<S3Response<GetObjectOutput>> {
        let GetObjectInput {
            bucket,
            key,
            range: asked,
            if_match,
            if_none_match,
            if_modified_since,
            if_unmodified_since,
            part_number,
            version_id,
            ..
        } = req.input;
        convert::check_version(version_id.as_deref())?;
        if part_number.is_some() {
            return Err(StoreError::NotImplemented("reading one part").into());
        }
        let condition = ReadCondition { if_match, if_none_match, if_modified_since, if_unmodified_since };
        let work = move |disk: &crate::disk::Disk| {
            let opened = disk.open(&bucket, &key)?;
            condition.check(&opened)?;
            let (range, said) = convert::range(asked, opened.size)?;
            let length = range.end - range.start;
            let path = std::path::Path::new(&key);
            let first = read::begin(opened.file, range).map_err(|error| StoreError::disk("reading", path, error))?;
            Ok((first, convert::get_output(opened.stored, opened.modified), length, said))
        };
        let (first, output, length, content_range) = self.work(work).await?;
        answer(GetObjectOutput {
            body: Some(read::body(self, first).into()),
            content_length: Some(signed(length)),
            content_range,
            ..output
        })
    }

    async fn head_object(&self, req: S3Request<HeadObjectInput>) -> S3Result<S3Response<HeadObjectOutput>> {
        let HeadObjectInput {
            bucket,
            key,
            if_match,
            if_none_match,
            if_modified_since,
            if_unmodified_since,
            part_number,
            version_id,
            ..
        } = req.input;
        convert::check_version(version_id.as_deref())?;
        if part_number.is_some() {
            return Err(StoreError::NotImplemented("reading one part").into());
        }
        let condition = ReadCondition { if_match, if_none_match, if_modified_since, if_unmodified_since };
        let work = move |disk: &crate::disk::Disk| {
            let opened = disk.open(&bucket, &key)?;
            condition.check(&opened)?;
            Ok(convert::head_output(opened))
        };
        answer(self.work(work).await?)
    }

    async fn delete_object(&self, req: S3Request<DeleteObjectInput>) -> S3Result<S3Response<DeleteObjectOutput>> {
        let DeleteObjectInput { bucket, key, if_match, version_id, .. } = req.input;
        convert::check_version(version_id.as_deref())?;
        if if_match.is_some() {
            return Err(StoreError::NotImplemented("deleting on a condition").into());
        }
        let work = move |disk: &crate::disk::Disk| {
            disk.check_bucket(&bucket)?;
            let mut touched = BTreeSet::new();
            commit::remove(disk, &bucket, &key, &mut touched)?;
            touched.iter().try_for_each(|folder| disk.sync_dir(folder))
        };
        self.work(work).await?;
        answer(DeleteObjectOutput::default())
    }

    async fn delete_objects(&self, req: S3Request<DeleteObjectsInput>) -> S3Result<S3Response<DeleteObjectsOutput>> {
        let DeleteObjectsInput { bucket, delete, .. } = req.input;
        if delete.objects.len() > DELETED_MAX {
            return Err(s3s::s3_error!(MalformedXML, "at most 1000 keys"));
        }
        let is_quiet = delete.quiet.unwrap_or(false);
        let work = move |disk: &crate::disk::Disk| {
            disk.check_bucket(&bucket)?;
            let (mut deleted, mut errors) = (Vec::new(), Vec::new());
            let mut touched = BTreeSet::new();
            for ObjectIdentifier { key, version_id, .. } in delete.objects {
                let done = convert::check_version(version_id.as_deref())
                    .and_then(|()| commit::remove(disk, &bucket, &key, &mut touched));
                match done {
                    Ok(()) => deleted.push(DeletedObject { key: Some(key), ..DeletedObject::default() }),
                    Err(error) => {
                        let error = s3s::S3Error::from(error);
                        let code = Some(error.code().as_str().to_owned());
                        let message = error.message().map(str::to_owned);
                        errors.push(Error { key: Some(key), code, message, ..Error::default() });
                    }
                }
            }
            touched.iter().try_for_each(|folder| disk.sync_dir(folder))?;
            Ok((deleted, errors))
        };
        let (deleted, errors) = self.work(work).await?;
        answer(DeleteObjectsOutput {
            deleted: (!is_quiet).then_some(deleted),
            errors: Some(errors),
            ..DeleteObjectsOutput::default()
        })
    }

    async fn copy_object(&self, mut req: S3Request<CopyObjectInput>) -> S3Result<S3Response<CopyObjectOutput>> {
        let replaced = attributes!(req.input)?;
        let input = req.input;
        let CopySource::Bucket { bucket: from_bucket, key: from_key, version_id } = input.copy_source else {
            return Err(StoreError::NotImplemented("copying from an access point").into());
        };
        convert::check_version(version_id.as_deref())?;
        let (bucket, key) = (input.bucket, input.key);
        let condition = ReadCondition {
            if_match: input.copy_source_if_match,
            if_none_match: input.copy_source_if_none_match,
            if_modified_since: input.copy_source_if_modified_since,
            if_unmodified_since: input.copy_source_if_unmodified_since,
        };
        let keeps_attributes =
            input.metadata_directive.is_none_or(|directive| directive.as_str() != MetadataDirective::REPLACE);
        let work = move |disk: &crate::disk::Disk| {
            disk.check_bucket(&bucket)?;
            let source = disk.open(&from_bucket, &from_key)?;
            // A condition on a source never says "not modified".
            condition.check(&source).map_err(|_| StoreError::PreconditionFailed)?;
            if source.size > BODY_BYTES_MAX {
                return Err(StoreError::TooLarge);
            }
            let attributes = if keeps_attributes { source.stored.attributes } else { replaced };
            let stored = Stored { etag: source.stored.etag, attributes };
            let mut temp = Temp::create(disk)?;
            let mut body = std::io::Read::take(&source.file, source.size);
            let copied = std::io::copy(&mut body, &mut temp.file).map_err(|error| temp.failed(error))?;
            if copied != source.size {
                return Err(temp.failed(std::io::ErrorKind::UnexpectedEof.into()));
            }
            temp.write(&[], &stored.trailer(copied)?)?;
            temp.commit(disk, &bucket, &key, &Condition::default())?;
            Ok((stored.etag, disk.open(&bucket, &key)?.modified))
        };
        let (etag, modified) = self.work(work).await?;
        let result = CopyObjectResult {
            e_tag: Some(ETag::Strong(etag)),
            last_modified: Some(modified.into()),
            ..CopyObjectResult::default()
        };
        answer(CopyObjectOutput { copy_object_result: Some(result), ..CopyObjectOutput::default() })
    }

    async fn list_objects(&self, req: S3Request<ListObjectsInput>) -> S3Result<S3Response<ListObjectsOutput>> {
        let ListObjectsInput { bucket, prefix, delimiter, marker, max_keys, encoding_type, .. } = req.input;
        let max = page_len(max_keys)?;
        let delimiter = delimiter.filter(|delimiter| !delimiter.is_empty());
        let after = match (&marker, &delimiter) {
            (None, _) => Marker::Start,
            // The name of a folded prefix, as the page before told it.
            (Some(marker), Some(delimiter)) if marker.ends_with(delimiter.as_str()) => Marker::Prefix(marker.clone()),
            (Some(marker), _) => Marker::Key(marker.clone()),
        };
        let query = Query { prefix: prefix.clone().unwrap_or_default(), delimiter: delimiter.clone(), after, max };
        let name = bucket.clone();
        let mut page = self.work(move |disk| list::page(disk, &bucket, &query)).await?;
        let encoding = Encoding::of(encoding_type.as_ref());
        let next_marker = page.next.take().map(|next| encoding.write(next.into_text()));
        let (contents, common_prefixes) = objects(&mut page, encoding);
        answer(ListObjectsOutput {
            name: Some(name),
            prefix: prefix.map(|text| encoding.write(text)),
            marker: marker.map(|text| encoding.write(text)),
            delimiter: delimiter.map(|text| encoding.write(text)),
            max_keys: i32::try_from(max).ok(),
            is_truncated: Some(next_marker.is_some()),
            next_marker,
            contents: Some(contents),
            common_prefixes: Some(common_prefixes),
            encoding_type,
            ..ListObjectsOutput::default()
        })
    }

    async fn list_objects_v2(&self, req: S3Request<ListObjectsV2Input>) -> S3Result<S3Response<ListObjectsV2Output>> {
        let ListObjectsV2Input {
            bucket,
            prefix,
            delimiter,
            start_after,
            continuation_token,
            max_keys,
            encoding_type,
            ..
        } = req.input;
        let max = page_len(max_keys)?;
        let delimiter = delimiter.filter(|delimiter| !delimiter.is_empty());
        let after = match (&continuation_token, &start_after) {
            (Some(token), _) => Marker::from_token(token)
                .ok_or(StoreError::InvalidArgument("the continuation token is none of ours"))?,
            (None, Some(key)) => Marker::Key(key.clone()),
            (None, None) => Marker::Start,
        };
        let query = Query { prefix: prefix.clone().unwrap_or_default(), delimiter: delimiter.clone(), after, max };
        let name = bucket.clone();
        let mut page = self.work(move |disk| list::page(disk, &bucket, &query)).await?;
        let encoding = Encoding::of(encoding_type.as_ref());
        let next = page.next.take().map(|next| next.to_token());
        let (contents, common_prefixes) = objects(&mut page, encoding);
        answer(ListObjectsV2Output {
            name: Some(name),
            prefix: prefix.map(|text| encoding.write(text)),
            delimiter: delimiter.map(|text| encoding.write(text)),
            start_after: start_after.map(|text| encoding.write(text)),
            continuation_token,
            max_keys: i32::try_from(max).ok(),
            key_count: i32::try_from(contents.len() + common_prefixes.len()).ok(),
            is_truncated: Some(next.is_some()),
            next_continuation_token: next,
            contents: Some(contents),
            common_prefixes: Some(common_prefixes),
            encoding_type,
            ..ListObjectsV2Output::default()
        })
    }

    async fn create_multipart_upload(
        &self,
        mut req: S3Request<CreateMultipartUploadInput>,
    ) -> S3Result<S3Response<CreateMultipartUploadOutput>> {
        let attributes = attributes!(req.input)?;
        let (bucket, key) = (req.input.bucket, req.input.key);
        self.disk.object_path(&bucket, &key)?;
        let began_ms = kit::clock::now().timestamp_millis();
        let about = About { bucket: bucket.clone(), key: key.clone(), began_ms, attributes };
        let begin = move |disk: &crate::disk::Disk| {
            disk.check_bucket(&about.bucket)?;
            multipart::begin(disk, &about)
        };
        let id = self.work(begin).await?;
        answer(CreateMultipartUploadOutput {
            bucket: Some(bucket),
            key: Some(key),
            upload_id: Some(id),
            ..CreateMultipartUploadOutput::default()
        })
    }

    async fn upload_part(&self, req: S3Request<UploadPartInput>) -> S3Result<S3Response<UploadPartOutput>> {
        let claims = Claims::read(&req, req.input.content_length, req.input.content_md5.as_deref())?;
        let UploadPartInput { bucket, key, upload_id, part_number, body, sse_customer_algorithm, .. } = req.input;
        if sse_customer_algorithm.is_some() {
            return Err(StoreError::NotImplemented("encryption with a customer's key").into());
        }
        if !(1..=PART_NUMBER_MAX).contains(&part_number) {
            return Err(StoreError::InvalidArgument("a part's number is between 1 and 10000").into());
        }
        let (folder, _) = self.work(move |disk| multipart::find(disk, &bucket, &key, &upload_id)).await?;
        let received = intake::receive(self, body, claims).await?;
        let work = move |disk: &_| {
            let written = received.write(disk, crate::object::Attributes::default())?;
            multipart::put_part(disk, &folder, part_number, written.temp)?;
            Ok((written.etag, written.checksums))
        };
        let (etag, checksums) = self.work(work).await?;
        answer(UploadPartOutput {
            e_tag: Some(ETag::Strong(etag)),
            checksum_crc32: checksums.checksum_crc32,
            checksum_crc32c: checksums.checksum_crc32c,
            checksum_crc64nvme: checksums.checksum_crc64nvme,
            checksum_sha1: checksums.checksum_sha1,
            checksum_sha256: checksums.checksum_sha256,
            ..UploadPartOutput::default()
        })
    }

    async fn complete_multipart_upload(
        &self,
        req: S3Request<CompleteMultipartUploadInput>,
    ) -> S3Result<S3Response<CompleteMultipartUploadOutput>> {
        let CompleteMultipartUploadInput { bucket, key, upload_id, multipart_upload, if_match, if_none_match, .. } =
            req.input;
        let parts = multipart_upload.and_then(|upload| upload.parts).unwrap_or_default();
        let wanted = parts.into_iter().map(|part| Some((part.part_number?, part.e_tag?.into_value())));
        let wanted = wanted.collect::<Option<Vec<_>>>().ok_or(StoreError::InvalidPart)?;
        let condition = Condition { if_match, if_none_match };
        let output = CompleteMultipartUploadOutput {
            bucket: Some(bucket.clone()),
            key: Some(key.clone()),
            ..CompleteMultipartUploadOutput::default()
        };
        let work = move |disk: &_| multipart::complete(disk, (&bucket, &key, &upload_id), &wanted, &condition);
        let etag = self.work(work).await?;
        answer(CompleteMultipartUploadOutput { e_tag: Some(ETag::Strong(etag)), ..output })
    }

    async fn abort_multipart_upload(
        &self,
        req: S3Request<AbortMultipartUploadInput>,
    ) -> S3Result<S3Response<AbortMultipartUploadOutput>> {
        let AbortMultipartUploadInput { bucket, key, upload_id, .. } = req.input;
        self.work(move |disk| multipart::abort(disk, &bucket, &key, &upload_id)).await?;
        answer(AbortMultipartUploadOutput::default())
    }

    async fn list_parts(&self, req: S3Request<ListPartsInput>) -> S3Result<S3Response<ListPartsOutput>> {
        let ListPartsInput { bucket, key, upload_id, max_parts, part_number_marker, .. } = req.input;
        let max = page_len(max_parts)?;
        let mut output = ListPartsOutput {
            bucket: Some(bucket.clone()),
            key: Some(key.clone()),
            upload_id: Some(upload_id.clone()),
            max_parts: i32::try_from(max).ok(),
            part_number_marker,
            ..ListPartsOutput::default()
        };
        let work = move |disk: &_| {
            let (folder, _) = multipart::find(disk, &bucket, &key, &upload_id)?;
            multipart::parts(&folder)
        };
        let mut parts = self.work(work).await?;
        parts.retain(|(part, _)| part.number > part_number_marker.unwrap_or(0));
        let is_truncated = parts.len() > max;
        parts.truncate(max);
        output.is_truncated = Some(is_truncated);
        output.next_part_number_marker = parts.last().filter(|_| is_truncated).map(|(part, _)| part.number);
        let parts = parts.into_iter().map(|(part, modified)| Part {
            part_number: Some(part.number),
            size: Some(signed(part.size)),
            e_tag: Some(ETag::Strong(part.etag)),
            last_modified: Some(modified.into()),
            ..Part::default()
        });
        output.parts = Some(parts.collect());
        answer(output)
    }

    async fn list_multipart_uploads(
        &self,
        req: S3Request<ListMultipartUploadsInput>,
    ) -> S3Result<S3Response<ListMultipartUploadsOutput>> {
        let ListMultipartUploadsInput {
            bucket,
            prefix,
            delimiter,
            key_marker,
            upload_id_marker,
            max_uploads,
            encoding_type,
            ..
        } = req.input;
        if delimiter.is_some_and(|delimiter| !delimiter.is_empty()) {
            return Err(StoreError::NotImplemented("folding uploads").into());
        }
        let max = page_len(max_uploads)?;
        let name = bucket.clone();
        let work = move |disk: &crate::disk::Disk| {
            disk.check_bucket(&bucket)?;
            multipart::uploads(disk, &bucket)
        };
        let mut uploads = self.work(work).await?;
        let wanted = prefix.clone().unwrap_or_default();
        uploads.retain(|(about, id)| {
            let is_after = match (&key_marker, &upload_id_marker) {
                (None, _) => true,
                (Some(key), None) => about.key > *key,
                (Some(key), Some(marker)) => (&about.key, id) > (key, marker),
            };
            is_after && about.key.starts_with(&wanted)
        });
        let is_truncated = uploads.len() > max;
        uploads.truncate(max);
        let encoding = Encoding::of(encoding_type.as_ref());
        let last = uploads.last().filter(|_| is_truncated).cloned();
        let (next_key_marker, next_upload_id_marker) = last.map(|(about, id)| (about.key, id)).unzip();
        let uploads = uploads.into_iter().map(|(about, id)| {
            let began = std::time::Duration::from_millis(u64::try_from(about.began_ms).unwrap_or(0));
            MultipartUpload {
                key: Some(encoding.write(about.key)),
                upload_id: Some(id),
                initiated: Some((std::time::SystemTime::UNIX_EPOCH + began).into()),
                ..MultipartUpload::default()
            }
        });
        answer(ListMultipartUploadsOutput {
            bucket: Some(name),
            prefix: prefix.map(|text| encoding.write(text)),
            key_marker: key_marker.map(|text| encoding.write(text)),
            upload_id_marker,
            max_uploads: i32::try_from(max).ok(),
            is_truncated: Some(is_truncated),
            next_key_marker: next_key_marker.map(|text| encoding.write(text)),
            next_upload_id_marker,
            uploads: Some(uploads.collect()),
            encoding_type,
            ..ListMultipartUploadsOutput::default()
        })
    }
}
