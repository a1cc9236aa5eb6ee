import { Menu } from "@base-ui/react/menu";
import {
  Ban,
  Download,
  EllipsisVertical,
  FolderInput,
  History,
  Link2,
  PenLine,
  RotateCcw,
  Share2,
  Trash2,
} from "lucide-react";
import { type ReactNode, useRef } from "react";
import { useTranslation } from "react-i18next";

const item =
  "flex h-9 w-full items-center gap-3 rounded-sm px-2.5 text-[15px] outline-none data-[highlighted]:bg-melt-wash data-[disabled]:opacity-55 [&_svg]:size-[18px] [&_svg]:shrink-0 [&_svg]:text-soft";

export type RowAct =
  | "download"
  | "link"
  | "share"
  | "details"
  | "rename"
  | "move"
  | "versions"
  | "cancel"
  | "trash"
  | "restore"
  | "erase";

const ICONS: Record<RowAct, ReactNode> = {
  download: <Download />,
  link: <Link2 />,
  share: <Share2 />,
  details: <PenLine />,
  rename: <PenLine />,
  move: <FolderInput />,
  versions: <History />,
  cancel: <Ban />,
  trash: <Trash2 />,
  restore: <RotateCcw />,
  erase: <Trash2 />,
};

/** What can be done with a row. */
export function RowMenu({
  name,
  acts,
  onAct,
}: {
  name: string;
  acts: readonly RowAct[];
  onAct: (act: RowAct) => void;
}) {
  const { t } = useTranslation();
  // The popup stays inside the page's landmark.
  const place = useRef<HTMLDivElement>(null);
  return (
    <Menu.Root modal={false}>
      <Menu.Trigger
        aria-label={t("files.menu", { name })}
        data-testid="row-menu"
        className="grid size-10 shrink-0 place-items-center rounded-md text-soft hover:bg-raised hover:text-text [&_svg]:size-[18px]"
      >
        <EllipsisVertical />
      </Menu.Trigger>
      <div ref={place} className="contents" />
      <Menu.Portal container={place}>
        <Menu.Positioner sideOffset={4} align="end" className="z-50">
          <Menu.Popup className="popup max-h-[var(--available-height)] w-60 overflow-y-auto p-1.5">
            {acts.map((act) => (
              <Menu.Item key={act} className={item} onClick={() => onAct(act)} data-testid={`act-${act}`}>
                {ICONS[act]}
                {t(`files.act.${act}`)}
              </Menu.Item>
            ))}
          </Menu.Popup>
        </Menu.Positioner>
      </Menu.Portal>
    </Menu.Root>
  );
}
