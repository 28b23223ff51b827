#include "platform/identity.h"

#include <fmt/format.h>
#include <sodium.h>

#include <nlohmann/json.hpp>

#include "core/error.h"

namespace rdu::platform {
namespace {

constexpr const char* kCoupling = "coupling.";

}  // namespace

void Identity::set_parameters(const Configuration& configuration) {
  for (const ConfigurationItem& item : configuration.items()) {
    if (item.path.rfind(kCoupling, 0) != 0) parameters[item.path] = item.text();
  }
}

void Identity::set_image(const std::string& name, const std::string& file,
                         const std::vector<uint8_t>& contents) {
  uint8_t digest[crypto_hash_sha256_BYTES];
  crypto_hash_sha256(digest, contents.data(), contents.size());
  std::string text;
  for (const uint8_t byte : digest) text += fmt::format("{:02x}", byte);
  images[name] = {file, text};
}

std::string Identity::json() const {
  nlohmann::json j = {{"version", version}, {"config", config}, {"parameters", parameters}};
  for (const auto& [name, image] : images)
    j["images"][name] = {{"file", image.file}, {"sha256", image.sha256}};
  return j.dump();
}

Identity Identity::parse(const std::string& what, const std::string& json) {
  Identity identity;
  try {
    const auto j = nlohmann::json::parse(json);
    identity.version = j.at("version");
    identity.config = j.at("config");
    identity.parameters = j.at("parameters").get<std::map<std::string, std::string>>();
    for (const auto& [name, image] : j.at("images").items())
      identity.images[name] = {image.at("file"), image.at("sha256")};
  } catch (const nlohmann::json::exception& e) {
    core::bad_input(fmt::format("{}: its header does not say what was recorded: {}", what, e.what()));
  }
  return identity;
}

std::vector<std::string> Identity::differences(const Identity& other) const {
  std::vector<std::string> lines;
  if (version != other.version) lines.push_back(fmt::format("rduvp is {}, here {}", version, other.version));
  for (const auto& [path, value] : parameters) {
    const auto found = other.parameters.find(path);
    if (found == other.parameters.end()) {
      lines.push_back(fmt::format("{} is {}, here there is no such parameter", path, value));
    } else if (found->second != value) {
      lines.push_back(fmt::format("{} is {}, here {}", path, value, found->second));
    }
  }
  for (const auto& [path, value] : other.parameters) {
    if (!parameters.count(path)) lines.push_back(fmt::format("{} is unknown, here {}", path, value));
  }
  for (const auto& [name, image] : images) {
    const auto found = other.images.find(name);
    const std::string here =
        found == other.images.end() ? "nothing"
        : found->second.sha256 == image.sha256
            ? ""
            : fmt::format("{} (sha256 {:.12}...)", found->second.file, found->second.sha256);
    if (!here.empty())
      lines.push_back(
          fmt::format("the {} is {} (sha256 {:.12}...), here {}", name, image.file, image.sha256, here));
  }
  return lines;
}

}  // namespace rdu::platform
