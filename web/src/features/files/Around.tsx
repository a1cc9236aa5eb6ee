// What stands around the list of files: search, the way back, what is chosen, and what is said where nothing is.
import { useQuery } from "@tanstack/react-query";
import { getRouteApi, Link } from "@tanstack/react-router";
import { ChevronRight, FolderInput, RotateCcw, Trash2, Upload, X } from "lucide-react";
import { useTranslation } from "react-i18next";
import { cx } from "@/lib/cx";
import { useTyped } from "@/lib/useTyped";
import { Empty } from "@/ui/bits";
import { Button } from "@/ui/button";
import { SelectField, TextField } from "@/ui/field";
import { type FileSort, KINDS, limits, SORTS } from "./api";
import type { Entry } from "./FileList";
import { crumbs } from "./paths";

const route = getRouteApi("/shell/files");
const WORDS_CHARS_MAX = 100;

/** What is looked for, and in which order it is shown. */
export function Toolbar() {
  const { t } = useTranslation();
  const search = route.useSearch();
  const navigate = route.useNavigate();
  const [typed, setTyped] = useTyped(
    search.q ?? "",
    (q) => void navigate({ search: (old) => ({ ...old, q }), replace: true }),
  );
  return (
    <search className="grid grid-cols-2 gap-3 md:grid-cols-[1fr_180px_180px]">
      <div className="max-md:col-span-2">
        <TextField
          label={t("files.search")}
          value={typed}
          onChange={(event) => setTyped(event.target.value)}
          type="search"
          maxLength={WORDS_CHARS_MAX}
          autoComplete="off"
          spellCheck={false}
          data-testid="file-search"
        />
      </div>
      <SelectField
        label={t("files.kind.label")}
        value={search.kind ?? ""}
        onChange={(event) =>
          void navigate({
            search: (old) => ({ ...old, kind: KINDS.find((one) => one === event.target.value) }),
            replace: true,
          })
        }
        data-testid="file-kind"
      >
        <option value="">{t("files.kind.all")}</option>
        {KINDS.map((one) => (
          <option key={one} value={one}>
            {t(`files.kind.${one}`)}
          </option>
        ))}
      </SelectField>
      <SelectField
        label={t("files.sort.label")}
        value={search.sort ?? "name"}
        onChange={(event) => {
          const sort = SORTS.find((one): one is FileSort => one === event.target.value);
          void navigate({
            search: (old) => ({ ...old, sort: sort === "name" ? undefined : sort }),
            replace: true,
          });
        }}
        data-testid="file-sort"
      >
        {SORTS.map((one) => (
          <option key={one} value={one}>
            {t(`files.sort.${one}`)}
          </option>
        ))}
      </SelectField>
    </search>
  );
}

/** Where one is, and the way back. */
export function Crumbs({ path }: { path: string }) {
  const { t } = useTranslation();
  const way = [{ name: t("files.root"), path: "/" }, ...crumbs(path)];
  return (
    <nav aria-label={t("files.crumbs")} data-testid="crumbs" data-path={path}>
      <ol className="flex flex-wrap items-center gap-1 text-[15px]">
        {way.map((one, at) => {
          const isHere = at === way.length - 1;
          return (
            <li key={one.path} className="flex min-w-0 items-center gap-1">
              {at > 0 && <ChevronRight aria-hidden="true" className="size-4 shrink-0 text-faint" />}
              <Link
                to="/files"
                search={(old) => ({ sort: old.sort, ...(one.path === "/" ? {} : { path: one.path }) })}
                aria-current={isHere ? "page" : undefined}
                className={cx(
                  "max-w-52 truncate rounded-sm px-1.5 py-0.5 hover:bg-raised",
                  isHere ? "font-semibold" : "text-soft",
                )}
              >
                {one.name}
              </Link>
            </li>
          );
        })}
      </ol>
    </nav>
  );
}

/** What is shown instead of a folder, and how to get back to folders. */
export function Found() {
  const { t } = useTranslation();
  const { q, kind, tag, trash } = route.useSearch();
  if (!q && !kind && !tag) return null;
  return (
    <p className="flex flex-wrap items-center gap-2 text-soft" data-testid="found">
      {t(trash ? "files.found_trash" : "files.found")}
      {tag && (
        <Link
          to="/files"
          search={(old) => ({ ...old, tag: undefined })}
          aria-label={t("files.tag_off", { tag })}
          className="inline-flex h-7 items-center gap-1 rounded-full border border-line px-2.5 text-sm text-text hover:border-line-strong"
        >
          {tag}
          <X aria-hidden="true" className="size-3.5" />
        </Link>
      )}
      <Link
        to="/files"
        search={(old) => ({ path: old.path, sort: old.sort, trash: old.trash })}
        className="font-semibold text-melt hover:underline"
        data-testid="found-clear"
      >
        {t("files.clear")}
      </Link>
    </p>
  );
}

export function TrashNote() {
  const { t } = useTranslation();
  const known = useQuery(limits());
  if (!known.data) return null;
  return <p className="max-w-prose text-soft">{t("files.trash.text", { count: known.data.trash_days })}</p>;
}

export function BulkBar({
  picks,
  isTrash,
  isBusy,
  onMove,
  onTrash,
  onRestore,
  onErase,
  onClear,
}: {
  picks: readonly Entry[];
  isTrash: boolean;
  isBusy: boolean;
  onMove: () => void;
  onTrash: () => void;
  onRestore: () => void;
  onErase: () => void;
  onClear: () => void;
}) {
  const { t } = useTranslation();
  return (
    <section
      aria-label={t("files.bulk.title")}
      data-testid="bulk"
      data-count={picks.length}
      className="sticky top-[calc(var(--header-h)+8px)] z-30 flex flex-wrap items-center gap-2 rounded-lg border border-melt/50 bg-melt-wash px-4 py-2"
    >
      <p role="status" className="tabular mr-auto font-semibold">
        {t("files.bulk.chosen", { count: picks.length })}
      </p>
      {isTrash ? (
        <>
          <Button size="s" onClick={onRestore} isBusy={isBusy} data-testid="bulk-restore">
            <RotateCcw />
            {t("files.act.restore")}
          </Button>
          <Button size="s" look="danger" onClick={onErase} data-testid="bulk-erase">
            <Trash2 />
            {t("files.act.erase")}
          </Button>
        </>
      ) : (
        <>
          <Button size="s" onClick={onMove} data-testid="bulk-move">
            <FolderInput />
            {t("files.act.move")}
          </Button>
          <Button size="s" look="danger" onClick={onTrash} data-testid="bulk-trash">
            <Trash2 />
            {t("files.act.trash")}
          </Button>
        </>
      )}
      <Button size="s" look="ghost" onClick={onClear} data-testid="bulk-clear">
        <X />
        {t("files.bulk.clear")}
      </Button>
    </section>
  );
}

export function Nothing({
  isTrash,
  isFiltered,
  isRoot,
  onUpload,
}: {
  isTrash: boolean;
  isFiltered: boolean;
  isRoot: boolean;
  onUpload: () => void;
}) {
  const { t } = useTranslation();
  if (isFiltered) return <Empty title={t("files.empty.found")}>{t("files.empty.found_text")}</Empty>;
  if (isTrash) return <Empty title={t("files.empty.trash")} />;
  return (
    <Empty
      title={t(isRoot ? "files.empty.root" : "files.empty.folder")}
      className="border-2 border-dashed"
      action={
        <Button look="solid" onClick={onUpload} data-testid="empty-upload">
          <Upload />
          {t("upload.open")}
        </Button>
      }
    >
      {t(isRoot ? "files.empty.root_text" : "files.empty.folder_text")}
    </Empty>
  );
}
