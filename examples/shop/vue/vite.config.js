import vue from "@vitejs/plugin-vue";
import { defineConfig } from "vite";

// The helper is the gateway's: it is fetched from there and never bundled.
const fromGateway = {
  name: "from-gateway",
  enforce: "pre",
  resolveId: (id) => (id.startsWith("/bff/") ? { id, external: true } : null),
};

export default defineConfig({
  plugins: [fromGateway, vue()],
  server: { preTransformRequests: false }, // or it looks for the helper in vain, and says so
});
