import { Link } from "@tanstack/react-router";
import { Clock3, LayoutGrid, Play, Search } from "lucide-react";
import type { ReactNode } from "react";
import { useTranslation } from "react-i18next";
import { KindIcon } from "@/features/files/KindIcon";
import { categoryName } from "@/i18n/categoryName";
import { cx } from "@/lib/cx";
import { Avatar } from "@/ui/avatar";
import { LiveBadge } from "@/ui/bits";
import { Marked } from "./Marked";
import type { Option } from "./options";

type Props = {
  option: Option;
  /** What is typed. */
  q: string;
  id: string;
  isActive: boolean;
  onPick: (option: Option) => void;
  onHover: () => void;
};

/** One line below the search field: a link like any other, which arrow keys choose while the field keeps the focus. */
export function OptionLink({ option, q, id, isActive, onPick, onHover }: Props) {
  const { t } = useTranslation();
  const shared = {
    id,
    role: "option",
    "aria-selected": isActive,
    tabIndex: -1,
    onClick: () => onPick(option),
    onPointerMove: onHover,
    "data-testid": "search-option",
    "data-kind": option.kind,
    className: cx(
      "flex min-h-11 items-center gap-3 rounded-md px-3 py-1.5 text-[15px]",
      isActive ? "bg-raised" : "text-text",
    ),
  } as const;
  switch (option.kind) {
    case "recent":
    case "query":
      return (
        <Link to="/search" search={{ q: option.q }} {...shared}>
          <Face>{option.kind === "recent" ? <Clock3 /> : <Search />}</Face>
          <span className="min-w-0 flex-1 truncate">
            {option.kind === "recent" ? option.q : t("search.for", { q: option.q })}
          </span>
          {option.kind === "recent" && <Aside>{t("search.recent_one")}</Aside>}
        </Link>
      );
    case "channel":
      return (
        <Link to="/c/$username" params={{ username: option.channel.username }} {...shared}>
          <Avatar
            name={option.channel.display_name}
            username={option.channel.username}
            url={option.channel.avatar_url}
            size={28}
          />
          <span className="min-w-0 flex-1 truncate">
            <Marked text={option.channel.display_name} q={q} />
          </span>
          {option.channel.is_live ? <LiveBadge /> : <Aside>{t("search.one.channel")}</Aside>}
        </Link>
      );
    case "category":
      return (
        <Link to="/browse" search={{ category: option.category.slug }} {...shared}>
          <Face>
            <LayoutGrid />
          </Face>
          <span className="min-w-0 flex-1 truncate">
            <Marked text={categoryName(t, option.category)} q={q} />
          </span>
          <Aside>{t("search.one.category")}</Aside>
        </Link>
      );
    case "vod":
      return (
        <Link to="/v/$id" params={{ id: option.vod.id }} {...shared}>
          <Face>
            <Play />
          </Face>
          <span className="min-w-0 flex-1 truncate">
            <Marked text={option.vod.title} q={q} />
            <span className="text-faint"> {option.vod.channel.display_name}</span>
          </span>
          <Aside>{t("search.one.vod")}</Aside>
        </Link>
      );
    case "file":
      return (
        <Link to="/files" search={{ q: option.file.name }} {...shared}>
          <Face>
            <KindIcon kind={option.file.kind} />
          </Face>
          <span className="min-w-0 flex-1 truncate">
            <Marked text={option.file.name} q={q} />
          </span>
          <Aside>{t("search.one.file")}</Aside>
        </Link>
      );
  }
}

function Face({ children }: { children: ReactNode }) {
  return (
    <span
      aria-hidden="true"
      className="grid size-7 shrink-0 place-items-center text-faint [&_svg]:size-[18px]"
    >
      {children}
    </span>
  );
}

function Aside({ children }: { children: ReactNode }) {
  return <span className="shrink-0 text-faint text-xs">{children}</span>;
}
