import { Link } from "@tanstack/react-router";
import { ArrowDown, ArrowUp } from "lucide-react";
import type { KeyboardEvent, ReactNode } from "react";
import { useTranslation } from "react-i18next";
import { bytes } from "@/features/vod/keeping";
import { useLang } from "@/i18n/useLang";
import { cx } from "@/lib/cx";
import { ago, whole } from "@/lib/time";
import { useMedia } from "@/lib/useMedia";
import type { FileSort, Folder, StoredFile } from "./api";
import { KindIcon } from "./KindIcon";
import { FileFace, FileStanding, FileTags, ForWhom } from "./pieces";
import { type RowAct, RowMenu } from "./RowMenu";
import { choose, chooseAll, NONE, type Selection } from "./select";

export const keyOf = {
  file: (file: StoredFile) => `file ${file.id}`,
  folder: (folder: Folder) => `folder ${folder.path}`,
};
export type Entry = { key: string; name: string } & (
  | { file: StoredFile; folder?: undefined }
  | { folder: Folder; file?: undefined }
);
export const entriesOf = (folders: readonly Folder[], files: readonly StoredFile[]): Entry[] => [
  ...folders.map((folder) => ({ key: keyOf.folder(folder), name: folder.name, folder })),
  ...files.map((file) => ({ key: keyOf.file(file), name: file.name, file })),
];

/** What can be done with an entry, in the order in which it is offered. */
export function actsOf({ file }: Entry): RowAct[] {
  if (!file) return ["share", "rename", "move", "trash"];
  if (file.trashed_at) return ["restore", "erase"];
  const isCancellable = file.state === "queued" || file.state === "processing" || file.state === "uploading";
  return [
    ...(file.url ? (["download"] as const) : []),
    ...(file.url && file.visibility !== "private" ? (["link"] as const) : []),
    ...(file.url || file.vod_id ? (["share"] as const) : []),
    "details",
    "move",
    "versions",
    ...(isCancellable ? (["cancel"] as const) : []),
    "trash",
  ];
}

type Props = {
  entries: Entry[];
  selection: Selection;
  onSelect: (next: Selection) => void;
  sort: FileSort;
  onSort: (sort: FileSort) => void;
  onOpen: (file: StoredFile) => void;
  onAct: (act: RowAct, entry: Entry) => void;
  isTrash: boolean;
  /** Files of several folders: each says where it lies. */
  isEverywhere: boolean;
};

/** Folders and files: a table where there is room, else a list. */
export function FileList(props: Props) {
  const { entries, selection, onSelect, onAct } = props;
  const isWide = useMedia("(min-width: 860px)");
  const order = entries.map((entry) => entry.key);
  const pick = (key: string, isOn: boolean, isRange: boolean) =>
    onSelect(choose(selection, order, key, { isOn, isRange }));

  const onKeyDown = (event: KeyboardEvent<HTMLElement>) => {
    const target = event.target as HTMLElement;
    const row = target.closest<HTMLElement>("[data-row]");
    // What is open above the list has keys of its own.
    if (!row || target.closest('[role="menu"]') || target.closest('[role="dialog"]')) return;
    const entry = entries.find(({ key }) => key === row.dataset.row);
    if (!entry) return;
    const by = event.key === "ArrowDown" ? 1 : event.key === "ArrowUp" ? -1 : 0;
    const part = target.dataset.part;
    if (by !== 0 && part) {
      const next = entries[order.indexOf(entry.key) + by];
      const place =
        next &&
        event.currentTarget.querySelector<HTMLElement>(
          `[data-row="${CSS.escape(next.key)}"] [data-part="${part}"]`,
        );
      if (!place) return;
      event.preventDefault();
      place.focus();
      if (event.shiftKey) {
        const begun =
          selection.anchor === null
            ? choose(selection, order, entry.key, { isOn: true, isRange: false })
            : selection;
        onSelect(choose(begun, order, next.key, { isOn: true, isRange: true }));
      }
    } else if (event.key.toLowerCase() === "a" && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      onSelect(chooseAll(order));
    } else if (event.key === "Escape" && selection.keys.size > 0) {
      onSelect(NONE);
    } else if (event.key === "F2" || event.key === "Delete") {
      const wanted =
        event.key === "Delete"
          ? entry.file?.trashed_at
            ? "erase"
            : "trash"
          : entry.file
            ? "details"
            : "rename";
      if (!actsOf(entry).includes(wanted)) return;
      event.preventDefault();
      onAct(wanted, entry);
    }
  };
  return (
    // biome-ignore lint/a11y/noStaticElementInteractions: it hears the keys of the controls in it.
    <div onKeyDown={onKeyDown} data-testid="file-list">
      {isWide ? <Table {...props} pick={pick} order={order} /> : <Narrow {...props} pick={pick} />}
    </div>
  );
}

type Picking = Props & { pick: (key: string, isOn: boolean, isRange: boolean) => void };

function Pick({ entry, selection, pick }: Pick<Picking, "selection" | "pick"> & { entry: Entry }) {
  const { t } = useTranslation();
  return (
    <label className="grid size-10 shrink-0 cursor-pointer place-items-center">
      <input
        type="checkbox"
        checked={selection.keys.has(entry.key)}
        onChange={(event) =>
          pick(
            entry.key,
            event.target.checked,
            (event.nativeEvent as unknown as MouseEvent).shiftKey === true,
          )
        }
        aria-label={t("files.choose", { name: entry.name })}
        className="size-[18px] accent-[var(--melt)]"
        data-part="pick"
        data-testid="pick"
      />
    </label>
  );
}

/** The name, which opens it, and what is to be said of it. */
function Name({
  entry,
  onOpen,
  isTrash,
  isEverywhere,
  children,
}: Pick<Props, "onOpen" | "isTrash" | "isEverywhere"> & { entry: Entry; children?: ReactNode }) {
  const { t } = useTranslation();
  const { file, folder } = entry;
  const look = "block max-w-full truncate text-left font-semibold hover:underline";
  return (
    <span className="flex min-w-0 items-center gap-3">
      {file ? (
        <FileFace file={file} />
      ) : (
        <span className="grid size-10 shrink-0 place-items-center rounded-sm bg-melt-wash text-melt">
          <KindIcon kind="folder" className="size-5" />
        </span>
      )}
      <span className="min-w-0 flex-1">
        {folder ? (
          <Link
            to="/files"
            search={{ path: folder.path }}
            className={look}
            title={folder.name}
            data-part="name"
            data-testid="folder-open"
          >
            {folder.name}
          </Link>
        ) : isTrash || typeof file.served_version !== "number" ? (
          <span className="block truncate font-semibold" title={file.name}>
            {file.name}
          </span>
        ) : (
          <button
            type="button"
            className={look}
            title={file.name}
            onClick={() => onOpen(file)}
            data-part="name"
            data-testid="file-open"
          >
            {file.name}
          </button>
        )}
        {file && isEverywhere && (
          <span className="block truncate text-faint text-sm">
            {file.path === "/" ? t("files.in_root") : t("files.in_folder", { path: file.path.slice(1, -1) })}
          </span>
        )}
        {children}
        {file && !isTrash && <FileStanding file={file} />}
        {file && !isTrash && <FileTags file={file} />}
      </span>
    </span>
  );
}

const SORTED = { name: ArrowUp, recent: ArrowDown, size: ArrowDown } as const;

function Table({
  entries,
  selection,
  onSelect,
  order,
  sort,
  onSort,
  onAct,
  onOpen,
  isTrash,
  isEverywhere,
  pick,
}: Picking & { order: string[] }) {
  const { t } = useTranslation();
  const lang = useLang();
  const areAll = order.length > 0 && order.every((key) => selection.keys.has(key));
  const head = (by: FileSort, label: string, className: string) => {
    const Arrow = SORTED[by];
    return (
      <th
        scope="col"
        className={className}
        aria-sort={sort === by ? (by === "name" ? "ascending" : "descending") : "none"}
      >
        <button
          type="button"
          onClick={() => onSort(by)}
          className="-mx-1.5 inline-flex h-8 items-center gap-1 rounded-sm px-1.5 font-semibold hover:text-text"
          data-testid={`sort-${by}`}
        >
          {label}
          {sort === by && <Arrow aria-hidden="true" className="size-3.5" />}
        </button>
      </th>
    );
  };
  return (
    <div className="rounded-lg border border-line bg-surface">
      <table className="w-full table-fixed text-left">
        <thead>
          <tr className="border-line border-b text-faint text-sm">
            <th scope="col" className="w-14 pl-3">
              <label className="grid size-10 cursor-pointer place-items-center">
                <input
                  type="checkbox"
                  checked={areAll}
                  onChange={() => onSelect(areAll ? NONE : chooseAll(order))}
                  aria-label={t("files.choose_all")}
                  className="size-[18px] accent-[var(--melt)]"
                  data-testid="pick-all"
                />
              </label>
            </th>
            {head("name", t("files.column.name"), "py-2 pr-3")}
            {head("size", t("files.column.size"), "w-28 py-2 pr-3")}
            {head("recent", t(isTrash ? "files.column.trashed" : "files.column.changed"), "w-40 py-2 pr-3")}
            <th scope="col" className="w-36 py-2 pr-3 font-semibold">
              {t("files.column.visibility")}
            </th>
            <th scope="col" className="w-14">
              <span className="sr-only">{t("files.column.acts")}</span>
            </th>
          </tr>
        </thead>
        <tbody className="divide-y divide-line">
          {entries.map((entry) => (
            <tr
              key={entry.key}
              data-row={entry.key}
              data-testid={entry.file ? "file" : "folder"}
              data-name={entry.name}
              data-state={entry.file?.state}
              data-chosen={selection.keys.has(entry.key)}
              className={cx(
                // The table has round corners, and menus that must not be cut off by them.
                "last:[&>td:first-child]:rounded-bl-lg last:[&>td:last-child]:rounded-br-lg",
                selection.keys.has(entry.key) ? "[&>td]:bg-melt-wash/60" : "[&:hover>td]:bg-raised/60",
              )}
            >
              <td className="pl-3 align-middle">
                <Pick entry={entry} selection={selection} pick={pick} />
              </td>
              <td className="py-2 pr-3 align-middle">
                <Name entry={entry} onOpen={onOpen} isTrash={isTrash} isEverywhere={isEverywhere} />
              </td>
              <td className="tabular py-2 pr-3 align-middle text-sm text-soft">
                {bytes(entry.file?.bytes ?? entry.folder?.bytes ?? 0, lang)}
              </td>
              <td className="py-2 pr-3 align-middle text-sm text-soft">
                {entry.file
                  ? ago(entry.file.trashed_at ?? entry.file.changed_at, lang)
                  : t("files.count", { count: entry.folder.files, shown: whole(entry.folder.files, lang) })}
                {entry.file && entry.file.version > 1 && !isTrash && (
                  <button
                    type="button"
                    className="block text-faint hover:text-text hover:underline"
                    onClick={() => onAct("versions", entry)}
                    aria-label={t("files.versions_named", { name: entry.name, number: entry.file.version })}
                  >
                    {t("files.version", { number: entry.file.version })}
                  </button>
                )}
              </td>
              <td className="py-2 pr-3 align-middle">{entry.file && <ForWhom file={entry.file} />}</td>
              <td className="pr-2 align-middle">
                <RowMenu name={entry.name} acts={actsOf(entry)} onAct={(act) => onAct(act, entry)} />
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function Narrow({ entries, selection, onAct, onOpen, isTrash, isEverywhere, pick }: Picking) {
  const { t } = useTranslation();
  const lang = useLang();
  return (
    <ul className="divide-y divide-line rounded-lg border border-line bg-surface">
      {entries.map((entry) => (
        <li
          key={entry.key}
          data-row={entry.key}
          data-testid={entry.file ? "file" : "folder"}
          data-name={entry.name}
          data-state={entry.file?.state}
          data-chosen={selection.keys.has(entry.key)}
          className={cx(
            "flex items-center gap-0.5 py-2 pr-1 first:rounded-t-lg last:rounded-b-lg",
            selection.keys.has(entry.key) && "bg-melt-wash/60",
          )}
        >
          <Pick entry={entry} selection={selection} pick={pick} />
          <div className="min-w-0 flex-1">
            <Name entry={entry} onOpen={onOpen} isTrash={isTrash} isEverywhere={isEverywhere}>
              <span className="tabular flex flex-wrap items-center gap-x-2 text-faint text-sm">
                {bytes(entry.file?.bytes ?? entry.folder?.bytes ?? 0, lang)}
                <span aria-hidden="true">·</span>
                {entry.file
                  ? ago(entry.file.trashed_at ?? entry.file.changed_at, lang)
                  : t("files.count", { count: entry.folder.files, shown: whole(entry.folder.files, lang) })}
                {entry.file && !isTrash && <ForWhom file={entry.file} isShort />}
              </span>
            </Name>
          </div>
          <RowMenu name={entry.name} acts={actsOf(entry)} onAct={(act) => onAct(act, entry)} />
        </li>
      ))}
    </ul>
  );
}
