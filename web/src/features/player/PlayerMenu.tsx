import { Menu } from "@base-ui/react/menu";
import { Check, Settings2 } from "lucide-react";
import { type RefObject, useState } from "react";
import { useTranslation } from "react-i18next";
import { useLang } from "@/i18n/useLang";
import { setLatencyMode, usePrefs } from "@/lib/prefs";
import type { Engine, EngineState, Quality } from "./engine";

const SPEEDS = [0.5, 0.75, 1, 1.25, 1.5, 2];

type Props = {
  engine: Engine | null;
  state: EngineState;
  isLive: boolean;
  video: HTMLVideoElement | null;
  container: RefObject<HTMLDivElement | null>;
};

/** Quality, and delay (live) or speed (recording). Lives inside the frame so that full screen shows it. */
export function PlayerMenu({ engine, state, isLive, video, container }: Props) {
  const { t } = useTranslation();
  const lang = useLang();
  const latencyMode = usePrefs((prefs) => prefs.latencyMode);
  const [speed, setSpeed] = useState(1);
  const active = state.qualities.find((quality) => quality.index === state.active);
  const nameOf = (quality: Quality) =>
    quality.isAudioOnly
      ? t("player.audio_only")
      : quality.height > 0
        ? t("player.height", { height: quality.height })
        : t("player.source");
  const auto =
    active && state.chosen === -1 ? t("player.auto_now", { quality: nameOf(active) }) : t("player.auto");
  return (
    <Menu.Root modal={false}>
      <Menu.Trigger
        className="grid size-10 place-items-center rounded-sm text-white hover:bg-white/15"
        aria-label={t("player.settings")}
        data-testid="player-settings"
      >
        <Settings2 className="size-5" />
      </Menu.Trigger>
      <Menu.Portal container={container}>
        <Menu.Positioner side="top" align="end" sideOffset={10} className="z-30">
          <Menu.Popup
            className="popup max-h-[min(60vh,20rem)] min-w-[13rem] overflow-y-auto p-1.5 text-sm"
            data-testid="player-menu"
          >
            {isLive && (
              <Group
                label={t("player.delay")}
                value={latencyMode}
                onChange={(value) => setLatencyMode(value === "low" ? "low" : "normal")}
                items={[
                  { value: "low", label: t("player.delay_low") },
                  { value: "normal", label: t("player.delay_normal") },
                ]}
              />
            )}
            <Group
              label={t("player.quality")}
              value={String(state.chosen)}
              onChange={(value) => engine?.choose(Number(value))}
              items={[
                { value: "-1", label: auto },
                ...state.qualities.map((quality) => ({
                  value: String(quality.index),
                  label: nameOf(quality),
                })),
              ]}
            />
            {!isLive && (
              <Group
                label={t("player.speed")}
                value={String(speed)}
                onChange={(value) => {
                  setSpeed(Number(value));
                  if (video) video.playbackRate = Number(value);
                }}
                items={SPEEDS.map((value) => ({
                  value: String(value),
                  label: t("player.times", { value: new Intl.NumberFormat(lang).format(value) }),
                }))}
              />
            )}
          </Menu.Popup>
        </Menu.Positioner>
      </Menu.Portal>
    </Menu.Root>
  );
}

function Group({
  label,
  value,
  items,
  onChange,
}: {
  label: string;
  value: string;
  items: { value: string; label: string }[];
  onChange: (value: string) => void;
}) {
  return (
    <Menu.RadioGroup value={value} onValueChange={(next) => onChange(String(next))} className="py-1">
      <Menu.Group>
        <Menu.GroupLabel className="px-2.5 pb-1 font-semibold text-faint text-xs">{label}</Menu.GroupLabel>
        {items.map((item) => (
          <Menu.RadioItem
            key={item.value}
            value={item.value}
            closeOnClick
            className="flex h-8 items-center justify-between gap-4 rounded-sm px-2.5 outline-none data-[highlighted]:bg-melt-wash"
          >
            {item.label}
            <Menu.RadioItemIndicator>
              <Check className="size-4 text-melt" />
            </Menu.RadioItemIndicator>
          </Menu.RadioItem>
        ))}
      </Menu.Group>
    </Menu.RadioGroup>
  );
}
