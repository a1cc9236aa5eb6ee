import { Menu } from "@base-ui/react/menu";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { Bell as BellIcon, BellOff, BellRing, Check } from "lucide-react";
import { useRef } from "react";
import { useTranslation } from "react-i18next";
import { api, unwrap } from "@/api/client";
import { channel as channelQuery, patchChannel } from "@/api/queries";
import type { Bell, Channel } from "@/api/types";
import { errorText } from "@/i18n/errorText";
import { buttonClass } from "@/ui/button";
import { toast } from "@/ui/toast";

const LEVELS = [
  { value: "all", icon: BellRing },
  { value: "live_only", icon: BellIcon },
  { value: "none", icon: BellOff },
] as const;

/** How much a follower hears of this channel. */
export function BellLevel({ channel, bell }: { channel: Channel; bell: Bell }) {
  const { t } = useTranslation();
  const client = useQueryClient();
  const { username } = channel;
  // The popup stays inside the page's landmark.
  const place = useRef<HTMLDivElement>(null);
  const set = useMutation({
    mutationFn: (next: Bell) =>
      unwrap(
        api.PATCH("/api/v1/channels/{username}/follow", {
          params: { path: { username } },
          body: { bell: next },
        }),
      ),
    onMutate: async (next) => {
      await client.cancelQueries(channelQuery(username));
      patchChannel(client, username, (old) => ({ ...old, bell: next }));
    },
    onError: (error) => toast({ kind: "error", title: errorText(t, error) }),
    onSettled: () => void client.invalidateQueries(channelQuery(username)),
  });
  const Icon = LEVELS.find((level) => level.value === bell)?.icon ?? BellIcon;
  return (
    <Menu.Root modal={false}>
      <Menu.Trigger
        className={buttonClass("soft", "icon")}
        aria-label={t("bell.label", { level: t(`bell.${bell}`) })}
        data-testid="bell-level"
        data-level={bell}
      >
        <Icon />
      </Menu.Trigger>
      <div ref={place} className="contents" />
      <Menu.Portal container={place}>
        <Menu.Positioner sideOffset={8} align="end" className="z-50">
          <Menu.Popup className="popup w-[min(300px,calc(100vw-24px))] p-1.5">
            <Menu.RadioGroup value={bell} onValueChange={(value) => set.mutate(value as Bell)}>
              <Menu.Group>
                <Menu.GroupLabel className="px-2.5 pt-1 pb-1 font-semibold text-faint text-xs">
                  {t("bell.title")}
                </Menu.GroupLabel>
                {LEVELS.map(({ value, icon: LevelIcon }) => (
                  <Menu.RadioItem
                    key={value}
                    value={value}
                    closeOnClick
                    data-testid={`bell-${value}`}
                    className="flex w-full items-start gap-3 rounded-sm px-2.5 py-2 text-[15px] outline-none data-[highlighted]:bg-melt-wash [&_svg]:size-[18px] [&_svg]:shrink-0 [&_svg]:text-soft"
                  >
                    <LevelIcon className="mt-0.5" />
                    <span className="flex-1">
                      <span className="block font-semibold">{t(`bell.${value}`)}</span>
                      <span className="block text-faint text-sm">{t(`bell.${value}_text`)}</span>
                    </span>
                    <Menu.RadioItemIndicator>
                      <Check className="!text-melt mt-0.5" />
                    </Menu.RadioItemIndicator>
                  </Menu.RadioItem>
                ))}
              </Menu.Group>
            </Menu.RadioGroup>
          </Menu.Popup>
        </Menu.Positioner>
      </Menu.Portal>
    </Menu.Root>
  );
}
