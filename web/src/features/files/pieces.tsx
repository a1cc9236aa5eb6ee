// Parts of a row that stand in the table and in the list alike.
import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { CircleAlert, Clock3, EyeOff, Globe, Info, Lock } from "lucide-react";
import { useTranslation } from "react-i18next";
import { bytesOf } from "@/features/rooms/attach/Attached";
import { usePreview } from "@/features/rooms/attach/useAttaching";
import { useUploads } from "@/features/upload/store";
import { cx } from "@/lib/cx";
import { Progress } from "@/ui/progress";
import { isOpen, type StoredFile, thumbnailOf } from "./api";
import { KindIcon } from "./KindIcon";
import { isBad, stateText } from "./words";

/** A picture's thumbnail, else what kind of file it is. */
export function FileFace({ file }: { file: StoredFile }) {
  const small = useQuery(bytesOf(thumbnailOf(file)));
  const src = usePreview(small.data ?? null);
  return (
    <span
      className="grid size-10 shrink-0 place-items-center overflow-hidden rounded-sm bg-field text-soft"
      data-testid="file-face"
      data-shown={Boolean(src)}
    >
      {src ? (
        <img src={src} alt="" className="size-full object-cover" />
      ) : (
        <KindIcon kind={file.kind} className="size-5" />
      )}
    </span>
  );
}

const EYES = { private: Lock, unlisted: EyeOff, followers: Lock, public: Globe } as const;

/** Whom a file is for. */
export function ForWhom({ file, isShort = false }: { file: StoredFile; isShort?: boolean }) {
  const { t } = useTranslation();
  const Icon = EYES[file.visibility];
  const name = t(`visibility.${file.visibility}.name`);
  return (
    <span
      className="inline-flex items-center gap-1.5 whitespace-nowrap align-middle text-sm text-soft"
      title={isShort ? name : undefined}
    >
      <Icon aria-hidden="true" className="size-4 shrink-0" />
      <span className={isShort ? "sr-only" : undefined}>{name}</span>
    </span>
  );
}

/** What is being done to the newest version, or what went wrong with it. Nothing for a file that is as it should be. */
export function FileStanding({ file }: { file: StoredFile }) {
  const { t } = useTranslation();
  const own = useUploads(({ items }) => items.find((item) => item.place?.uploadId === file.upload_id));
  const percent = own && own.file.size > 0 ? Math.floor((own.sent * 100) / own.file.size) : null;
  const said =
    file.state === "uploading" && percent !== null
      ? t("files.state.uploading_here", { percent })
      : stateText(t, file);
  if (said === null) return null;
  const bad = isBad(file);
  const Icon = bad ? CircleAlert : isOpen(file.state) ? Clock3 : Info;
  return (
    <span className="mt-0.5 block" data-testid="file-standing">
      <span className={cx("flex items-start gap-1.5 text-sm", bad ? "text-danger" : "text-soft")}>
        <Icon aria-hidden="true" className="mt-[3px] size-3.5 shrink-0" />
        <span className="min-w-0">
          {said}
          {bad && typeof file.served_version === "number" && <> {t("files.state.earlier_served")}</>}
        </span>
      </span>
      {isOpen(file.state) && file.state === "processing" && (
        <Progress
          className="mt-1.5 max-w-56"
          max={100}
          value={file.progress}
          aria-label={t("files.state.progress_of", { name: file.name })}
        />
      )}
    </span>
  );
}

export function FileTags({ file }: { file: StoredFile }) {
  const { t } = useTranslation();
  if (file.tags.length === 0) return null;
  return (
    <span className="mt-1 flex flex-wrap gap-1">
      {file.tags.map((tag) => (
        <Link
          key={tag}
          to="/files"
          search={{ tag }}
          aria-label={t("files.tag_named", { tag })}
          className="inline-flex h-6 max-w-40 items-center truncate rounded-full border border-line px-2 text-soft text-xs hover:border-line-strong hover:text-text"
        >
          {tag}
        </Link>
      ))}
    </span>
  );
}
