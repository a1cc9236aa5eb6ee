import { Menu } from "@base-ui/react/menu";
import { useQuery } from "@tanstack/react-query";
import {
  Ban,
  Check,
  Clock,
  EllipsisVertical,
  MessageCircle,
  UserCheck,
  UserMinus,
  UserPlus,
  X,
} from "lucide-react";
import { type ReactNode, useRef, useState } from "react";
import { useTranslation } from "react-i18next";
import { useSession } from "@/api/session";
import { useOpenRoom } from "@/features/rooms/rooms";
import { Button } from "@/ui/button";
import { ConfirmDialog } from "@/ui/dialog";
import { type BondChange, bondWith, useBondChange } from "./friends";

const item =
  "flex h-9 w-full items-center gap-3 rounded-sm px-2.5 text-[15px] outline-none data-[highlighted]:bg-melt-wash [&_svg]:size-[18px] [&_svg]:text-soft";

/** What one has with the member whose page it is: ask, answer, end, block. Nothing for visitors and on one's own page. */
export function BondButton({ username, name }: { username: string; name: string }) {
  const { t } = useTranslation();
  const me = useSession((session) => session.user);
  const bond = useQuery({ ...bondWith(username), enabled: Boolean(me) && me?.username !== username });
  const change = useBondChange();
  const write = useOpenRoom();
  const [isBlocking, setBlocking] = useState(false);
  const place = useRef<HTMLDivElement>(null);
  if (!bond.data) return null;
  const { state, may_ask } = bond.data;
  const to = (next: BondChange["to"]) => change.mutate({ username, to: next });
  const row = (icon: ReactNode, label: string, onClick: () => void, testId: string) => (
    <Menu.Item className={item} onClick={onClick} data-testid={testId}>
      {icon}
      {label}
    </Menu.Item>
  );
  return (
    <div className="flex items-center gap-1.5" data-testid="bond" data-state={state}>
      {state === "none" && may_ask && (
        <Button onClick={() => to("ask")} isBusy={change.isPending} data-testid="friend-ask">
          <UserPlus />
          {t("friends.ask")}
        </Button>
      )}
      {state === "incoming" && (
        <Button look="solid" onClick={() => to("ask")} isBusy={change.isPending} data-testid="friend-accept">
          <Check />
          {t("friends.accept")}
        </Button>
      )}
      {(state === "outgoing" || state === "accepted") && (
        <span className="inline-flex h-10 items-center gap-2 px-2 font-semibold text-[15px] text-soft [&_svg]:size-[18px]">
          {state === "outgoing" ? <Clock aria-hidden="true" /> : <UserCheck aria-hidden="true" />}
          {t(state === "outgoing" ? "friends.asked" : "friends.are")}
        </span>
      )}
      {state === "blocked" && (
        <Button onClick={() => to("unblock")} isBusy={change.isPending} data-testid="unblock">
          <Ban />
          {t("friends.unblock")}
        </Button>
      )}
      {state === "accepted" && (
        <Button onClick={() => write.mutate({ username })} isBusy={write.isPending} data-testid="message">
          <MessageCircle />
          {t("rooms.message")}
        </Button>
      )}
      <Menu.Root modal={false}>
        <Menu.Trigger
          aria-label={t("friends.more", { name })}
          data-testid="bond-menu"
          className="grid size-10 place-items-center rounded-md text-soft hover:bg-raised hover:text-text"
        >
          <EllipsisVertical className="size-5" />
        </Menu.Trigger>
        <div ref={place} className="contents" />
        <Menu.Portal container={place}>
          <Menu.Positioner sideOffset={6} align="end" className="z-50">
            <Menu.Popup className="popup w-60 p-1.5">
              {state !== "accepted" &&
                state !== "blocked" &&
                row(<MessageCircle />, t("rooms.message"), () => write.mutate({ username }), "menu-message")}
              {state === "outgoing" && row(<X />, t("friends.withdraw"), () => to("end"), "friend-withdraw")}
              {state === "incoming" && row(<X />, t("friends.decline"), () => to("end"), "friend-decline")}
              {state === "accepted" && row(<UserMinus />, t("friends.end"), () => to("end"), "friend-end")}
              {state === "blocked"
                ? row(<Ban />, t("friends.unblock"), () => to("unblock"), "menu-unblock")
                : row(<Ban />, t("friends.block"), () => setBlocking(true), "block")}
            </Menu.Popup>
          </Menu.Positioner>
        </Menu.Portal>
      </Menu.Root>
      <ConfirmDialog
        isOpen={isBlocking}
        onClose={() => setBlocking(false)}
        onConfirm={() => {
          setBlocking(false);
          to("block");
        }}
        title={t("friends.block_title", { name })}
        description={t("friends.block_text")}
        confirmLabel={t("friends.block")}
        testId="block-confirm"
      />
    </div>
  );
}
