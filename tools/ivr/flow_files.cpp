#include "flow_files.hpp"

#include <CLI/CLI.hpp>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>

namespace {

absl::StatusOr<std::string> text_of(const std::string& path) {
  std::ifstream stream;
  if (path != "-") stream.open(path, std::ios::binary);
  std::istream& in = path == "-" ? std::cin : stream;
  std::string text{std::istreambuf_iterator<char>(in), {}};
  if (path == "-" || (stream.is_open() && !stream.bad())) return text;
  return absl::NotFoundError(path + ": cannot be read: " + std::strerror(errno));
}

}  // namespace

void FlowFiles::add_option(CLI::App& app) {
  const auto allow_all = [this](const std::vector<std::string>& settings) {
    for (const std::string& setting : settings) {
      if (const auto allowed = allow(setting); !allowed.ok())
        throw CLI::ValidationError(std::string(allowed.message()));
    }
  };
  app.add_option_function<std::vector<std::string>>(
         "--env", allow_all, "what ${ENV:NAME} in a flow stands for: NAME=VALUE, or NAME as it is set here")
      ->take_all();
}

absl::Status FlowFiles::allow(std::string_view setting) {
  const std::string name(setting.substr(0, setting.find('=')));
  if (name.size() < setting.size()) {
    environment_[name] = setting.substr(name.size() + 1);
    return absl::OkStatus();
  }
  const char* value = std::getenv(name.c_str());
  if (value == nullptr)
    return absl::NotFoundError("--env " + name + ": the environment has no '" + name + "'");
  environment_[name] = value;
  return absl::OkStatus();
}

ivr::ComposedFlow FlowFiles::compose(std::string_view text, const std::string& path) const {
  ivr::FlowSources sources;
  sources.include = [&](std::string_view name, std::string_view from) -> absl::StatusOr<ivr::FlowPart> {
    const std::filesystem::path base =
        from.empty() ? (path == "-" ? std::filesystem::path() : std::filesystem::path(path))
                     : std::filesystem::path(from);
    const std::string file = (base.parent_path() / std::filesystem::path(name)).lexically_normal().string();
    auto part = text_of(file);
    if (!part.ok()) return part.status();
    return ivr::FlowPart{file, *std::move(part)};
  };
  sources.environment = [this](std::string_view name) -> std::optional<std::string> {
    const auto found = environment_.find(name);
    return found == environment_.end() ? std::nullopt : std::optional(found->second);
  };
  return ivr::compose_flow(text, sources);
}

absl::StatusOr<ivr::ComposedFlow> FlowFiles::read(const std::string& path) const {
  const auto text = text_of(path);
  if (!text.ok()) return text.status();
  return compose(*text, path);
}

absl::StatusOr<std::string> FlowFiles::document(const std::string& path) const {
  auto flow = read(path);
  if (!flow.ok()) return flow.status();
  std::string errors;
  for (const ivr::Finding& finding : flow->findings) errors += "\n" + ivr::to_string(finding);
  if (!errors.empty()) return absl::InvalidArgumentError(path + " is refused:" + errors);
  return std::move(flow->json);
}
