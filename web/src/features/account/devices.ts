// Where a member is signed in, and what they do about it.
import { queryOptions, useMutation, useQueryClient } from "@tanstack/react-query";
import type { TFunction } from "i18next";
import { useTranslation } from "react-i18next";
import { api, unwrap } from "@/api/client";
import type { SignIn } from "@/api/types";
import { errorText } from "@/i18n/errorText";
import { toast } from "@/ui/toast";

export const NAME_CHARS_MAX = 60;

export const devices = () =>
  queryOptions({
    queryKey: ["me", "sessions"],
    queryFn: ({ signal }) => unwrap(api.GET("/api/v1/me/sessions", { signal })),
    // Without a network it says so instead of waiting for one.
    networkMode: "always",
  });

type Told = Pick<SignIn, "kind" | "system" | "browser">;

/** "Firefox on Linux", or as much of it as the device tells. */
export function described(t: TFunction, { kind, system, browser }: Told): string {
  if (browser && system) return t("devices.browser_on", { browser, system });
  return browser ?? system ?? t(`devices.kind.${kind}`);
}

export function called(t: TFunction, device: Told & Pick<SignIn, "name">): string {
  return device.name ?? described(t, device);
}

/** What is typed into the field, as it is kept. Nothing at all takes the name away. */
export function nameOf(typed: string): string | null {
  return typed.trim() || null;
}

export function useDeviceActs() {
  const { t } = useTranslation();
  const client = useQueryClient();
  const refresh = () => client.invalidateQueries({ queryKey: devices().queryKey });
  const onError = (error: unknown) => {
    toast({ kind: "error", title: errorText(t, error) });
    // Somebody else may have ended it meanwhile.
    void refresh();
  };
  const end = useMutation({
    mutationFn: (id: string) => unwrap(api.DELETE("/api/v1/me/sessions/{id}", { params: { path: { id } } })),
    networkMode: "always",
    onSuccess: () => {
      toast({ kind: "good", title: t("devices.ended") });
      return refresh();
    },
    onError,
  });
  const endOthers = useMutation({
    mutationFn: () => unwrap(api.DELETE("/api/v1/me/sessions")),
    networkMode: "always",
    onSuccess: ({ ended }) => {
      toast({ kind: "good", title: t("devices.ended_others", { count: ended }) });
      return refresh();
    },
    onError,
  });
  return { end, endOthers };
}

/** Its own refusals are shown where the name is typed. */
export function useNameDevice(id: string) {
  const client = useQueryClient();
  return useMutation({
    mutationFn: (name: string | null) =>
      unwrap(api.PATCH("/api/v1/me/sessions/{id}", { params: { path: { id } }, body: { name } })),
    networkMode: "always",
    onSuccess: (named) =>
      client.setQueryData(devices().queryKey, (old) =>
        old ? { ...old, items: old.items.map((one) => (one.id === named.id ? named : one)) } : old,
      ),
  });
}

/** "Hanoi, Vietnam", or as much of it as is known. */
export function placed(place: SignIn["place"], lang: string): string | null {
  if (!place) return null;
  const country = place.country && new Intl.DisplayNames(lang, { type: "region" }).of(place.country);
  return [place.city, country].filter(Boolean).join(", ") || null;
}
