import { useQueryClient } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { useCallback } from "react";
import { useTranslation } from "react-i18next";
import { api } from "@/api/client";
import { session } from "@/api/session";
import { turnOff } from "@/features/notifications/push";
import { toast } from "@/ui/toast";

/** Lets this browser forget who was signed in, once the server has. */
export function useForget(): () => Promise<void> {
  const client = useQueryClient();
  const navigate = useNavigate();
  return useCallback(async () => {
    session.signedOut();
    // Nor does it tell the next one what this one follows.
    void turnOff().catch(() => undefined);
    // Nothing a person saw stays behind for the next one at this screen.
    client.removeQueries({ queryKey: ["me"] });
    client.removeQueries({ queryKey: ["notifications"] });
    client.removeQueries({ queryKey: ["following"] });
    await client.invalidateQueries();
    await navigate({ to: "/" });
  }, [client, navigate]);
}

/** Ends the session on the server first; this browser forgets it in any case. */
export function useSignOut(): () => Promise<void> {
  const { t } = useTranslation();
  const forget = useForget();
  return useCallback(async () => {
    const told = await api.POST("/api/v1/auth/logout").catch(() => null);
    if (!told?.response.ok) toast({ kind: "error", title: t("auth.signout_unsure") });
    await forget();
  }, [forget, t]);
}
