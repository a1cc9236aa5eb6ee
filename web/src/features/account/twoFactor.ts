// What the pages ask of two-factor sign-in, and what they make of its codes.
import { queryOptions } from "@tanstack/react-query";
import { api, unwrap } from "@/api/client";
import type { Schemas } from "@/api/types";

export type Setup = Schemas["TwoFactorSetup"];
export type Entered = Schemas["Session"];
export type Login = Entered | Schemas["SecondStep"];

/** So few recovery codes are worth a word. */
export const FEW_CODES = 3;

export const twoFactor = () =>
  queryOptions({
    queryKey: ["me", "two-factor"],
    queryFn: ({ signal }) => unwrap(api.GET("/api/v1/me/two-factor", { signal })),
  });

/** The picture as an address: nothing of it is fetched, and nothing in it runs. */
export const pictureUrl = (svg: string): string => `data:image/svg+xml,${encodeURIComponent(svg)}`;

/** A secret in groups of four, as people type it. */
export const grouped = (secret: string): string => secret.match(/.{1,4}/g)?.join(" ") ?? "";

/** What is handed out as a file: the codes, one a line, under what they are for. */
export const codesFile = (site: string, username: string, codes: readonly string[]): string =>
  `${[`${site} · ${username}`, "", ...codes].join("\n")}\n`;

/** Whether a sign-in goes on with a code. */
export const asksMore = (login: Login): login is Schemas["SecondStep"] => "second_step_token" in login;
