import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { Eye, EyeOff, RefreshCw } from "lucide-react";
import { useId, useState } from "react";
import { useTranslation } from "react-i18next";
import { api, unwrap } from "@/api/client";
import { streamKey } from "@/api/queries";
import type { StreamKey } from "@/api/types";
import { errorText } from "@/i18n/errorText";
import { ErrorState, Skeleton } from "@/ui/bits";
import { Button } from "@/ui/button";
import { CopyButton } from "@/ui/copy";
import { ConfirmDialog } from "@/ui/dialog";
import { inputClass } from "@/ui/field";
import { toast } from "@/ui/toast";
import { ffmpegCommand, OBS_ROWS } from "./encoder";
import { Panel } from "./Panel";

/** Where to send the stream, with which key, and how to set up the program that sends it. */
export function Connect() {
  const { t } = useTranslation();
  const query = useQuery(streamKey());
  return (
    <Panel title={t("studio.connect")}>
      {query.isPending && (
        <div className="flex flex-col gap-4">
          <Skeleton className="h-11" />
          <Skeleton className="h-11" />
        </div>
      )}
      {query.isError && !query.data && (
        <ErrorState error={query.error} onRetry={() => void query.refetch()} />
      )}
      {query.data && <Fields data={query.data} />}
      <Encoder data={query.data ?? null} />
    </Panel>
  );
}

function Fields({ data }: { data: StreamKey }) {
  const { t } = useTranslation();
  const client = useQueryClient();
  const id = useId();
  const [isShown, setShown] = useState(false);
  const [isAsking, setAsking] = useState(false);
  const rotate = useMutation({
    mutationFn: () => unwrap(api.POST("/api/v1/me/stream-key/rotate")),
    onSuccess: (fresh) => {
      client.setQueryData(streamKey().queryKey, fresh);
      setAsking(false);
      setShown(true);
      toast({ kind: "good", title: t("studio.rotated"), text: t("studio.rotated_text") });
    },
    onError: (error) => toast({ kind: "error", title: errorText(t, error) }),
  });
  return (
    <div className="flex flex-col gap-4">
      <Address
        label={t("studio.server")}
        url={data.rtmp_url}
        copyLabel={t("studio.copy_server")}
        testId="server"
      />
      {data.rtmps_url && (
        <Address
          label={t("studio.server_secure")}
          hint={t("studio.server_secure_hint")}
          url={data.rtmps_url}
          copyLabel={t("studio.copy_server_secure")}
          testId="server-secure"
        />
      )}
      <div className="flex flex-col gap-1.5">
        <label htmlFor={`${id}-key`} className="font-semibold text-sm">
          {t("studio.key")}
        </label>
        <div className="flex gap-2">
          <input
            id={`${id}-key`}
            readOnly
            type={isShown ? "text" : "password"}
            value={data.stream_key}
            autoComplete="off"
            data-testid="studio-key"
            aria-describedby={`${id}-key-hint`}
            className={`${inputClass} font-mono text-sm`}
          />
          <Button
            size="icon"
            aria-pressed={isShown}
            aria-label={isShown ? t("studio.hide_key") : t("studio.show_key")}
            title={isShown ? t("studio.hide_key") : t("studio.show_key")}
            onClick={() => setShown(!isShown)}
            data-testid="reveal-key"
          >
            {isShown ? <EyeOff /> : <Eye />}
          </Button>
          <CopyButton text={data.stream_key} label={t("studio.copy_key")} testId="copy-key" isIconOnly />
          <Button
            size="icon"
            aria-label={t("studio.rotate")}
            title={t("studio.rotate")}
            onClick={() => setAsking(true)}
            data-testid="rotate-key"
          >
            <RefreshCw />
          </Button>
        </div>
        <p id={`${id}-key-hint`} className="text-faint text-sm">
          {t("studio.key_hint")}
        </p>
      </div>
      <ConfirmDialog
        isOpen={isAsking}
        onClose={() => setAsking(false)}
        onConfirm={() => rotate.mutate()}
        isBusy={rotate.isPending}
        title={t("studio.rotate")}
        description={t("studio.rotate_text")}
        confirmLabel={t("studio.rotate_confirm")}
        testId="rotate-confirm"
      />
    </div>
  );
}

function Address({
  label,
  hint,
  url,
  copyLabel,
  testId,
}: {
  label: string;
  hint?: string;
  url: string;
  copyLabel: string;
  testId: string;
}) {
  const id = useId();
  return (
    <div className="flex flex-col gap-1.5">
      <label htmlFor={id} className="font-semibold text-sm">
        {label}
      </label>
      <div className="flex gap-2">
        <input
          id={id}
          readOnly
          value={url}
          aria-describedby={hint ? `${id}-hint` : undefined}
          data-testid={`studio-${testId}`}
          className={`${inputClass} font-mono text-sm`}
          onFocus={(event) => event.target.select()}
        />
        <CopyButton text={url} label={copyLabel} testId={`copy-${testId}`} isIconOnly />
      </div>
      {hint && (
        <p id={`${id}-hint`} className="text-faint text-sm">
          {hint}
        </p>
      )}
    </div>
  );
}

function Encoder({ data }: { data: StreamKey | null }) {
  const { t } = useTranslation();
  const shown = ffmpegCommand(data?.rtmp_url ?? "rtmp://…/live", t("studio.your_key"));
  return (
    <div className="mt-7 grid @2xl:grid-cols-2 gap-x-8 gap-y-6 border-line border-t pt-6">
      <div className="min-w-0">
        <div className="mb-2 flex items-center justify-between gap-3">
          <h3 className="font-sans font-semibold text-[15px]">{t("studio.obs")}</h3>
          <CopyButton
            text={OBS_ROWS.map((row) => `${t(`studio.obs_rows.${row.name}`)}: ${row.value}`).join("\n")}
            label={t("studio.copy_table")}
          />
        </div>
        <p className="mb-3 text-sm text-soft">{t("studio.obs_hint")}</p>
        <table className="w-full text-sm">
          <tbody>
            {OBS_ROWS.map((row) => (
              <tr key={row.name} className="border-line border-t first:border-t-0">
                <th scope="row" className="py-1.5 pr-4 text-left font-medium text-soft">
                  {t(`studio.obs_rows.${row.name}`)}
                </th>
                <td className="py-1.5 text-right font-mono text-[13px]">{row.value}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      <div className="min-w-0">
        <div className="mb-2 flex items-center justify-between gap-3">
          <h3 className="font-sans font-semibold text-[15px]">{t("studio.ffmpeg")}</h3>
          {data && (
            <CopyButton
              text={ffmpegCommand(data.rtmp_url, data.stream_key)}
              label={t("studio.copy_command")}
              testId="copy-ffmpeg"
            />
          )}
        </div>
        <p className="mb-3 text-sm text-soft">{t("studio.ffmpeg_hint")}</p>
        <pre className="whitespace-pre-wrap break-all rounded-md border border-line bg-sunken p-4 font-mono text-[12.5px] leading-relaxed">
          {shown}
        </pre>
        {data && (
          <div className="mt-3">
            <CopyButton
              text={`${data.rtmp_url}/${data.stream_key}`}
              label={t("studio.copy_url")}
              testId="copy-url"
            />
          </div>
        )}
      </div>
    </div>
  );
}
