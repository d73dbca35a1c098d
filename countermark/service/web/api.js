// The service's API as this page uses it. An API key, where one is needed, lives in this tab only.

const KEY = "countermark-key";
export const getKey = () => sessionStorage.getItem(KEY) || "";
export const setKey = (key) => (key ? sessionStorage.setItem(KEY, key) : sessionStorage.removeItem(KEY));

export class Fault extends Error {
  constructor(status, error) {
    super(error.message);
    this.status = status;
    this.code = error.code;
    this.decision = error.decision;
  }
}

const headers = (more = {}) => (getKey() ? { authorization: `Bearer ${getKey()}`, ...more } : more);

async function checked(response) {
  if (response.ok) return response;
  const body = await response.json().catch(() => ({ error: { message: response.statusText, code: "http" } }));
  throw new Fault(response.status, body.error);
}

export async function get(path) {
  return (await checked(await fetch(path, { headers: headers() }))).json();
}

export async function blob(path) {
  return (await checked(await fetch(path, { headers: headers() }))).blob();
}

export async function post(path, body) {
  const more = { "content-type": "application/json" };
  return (await checked(await fetch(path, { method: "POST", headers: headers(more), body: JSON.stringify(body) }))).json();
}

// fetch cannot tell how far an upload is; XMLHttpRequest can.
export function upload(path, file, onProgress) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    const form = new FormData();
    form.append("file", file, file.name);
    request.open("POST", path);
    for (const [name, value] of Object.entries(headers())) request.setRequestHeader(name, value);
    request.upload.onprogress = (event) => event.lengthComputable && onProgress(event.loaded / event.total);
    request.onerror = () => reject(new Fault(0, { message: "The server cannot be reached.", code: "network" }));
    request.onload = () => {
      let body = {};
      try { body = JSON.parse(request.responseText); } catch { /* told below */ }
      if (request.status >= 200 && request.status < 300) resolve(body);
      else reject(new Fault(request.status, body.error || { message: request.statusText, code: "http" }));
    };
    request.send(form);
  });
}

// Server-sent events through fetch, which can carry the key; the last job told is returned.
export async function follow(id, onJob) {
  let job;
  for (let tries = 0; tries < 5; tries += 1) {
    try {
      const response = await checked(await fetch(`/v1/jobs/${id}/events`, { headers: headers() }));
      const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
      let text = "";
      for (;;) {
        const { done, value } = await reader.read();
        if (done) break;
        text += value.replaceAll("\r\n", "\n");
        const events = text.split("\n\n");
        text = events.pop();
        for (const event of events) {
          const data = event.split("\n").filter((line) => line.startsWith("data: ")).map((line) => line.slice(6)).join("\n");
          if (!data) continue;
          job = JSON.parse(data);
          tries = 0;
          onJob(job);
        }
      }
    } catch (error) {
      if (error instanceof Fault && error.status < 500) throw error;
    }
    if (job && (job.status === "completed" || job.status === "failed")) return job;
    await new Promise((resolve) => setTimeout(resolve, 1000));
  }
  throw new Fault(0, { message: "The server cannot be reached.", code: "network" });
}
