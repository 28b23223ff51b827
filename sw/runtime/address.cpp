#include "runtime/address.h"

#include <sys/stat.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <system_error>

#include "rdu.h"
#include "runtime/error.h"

namespace rdu::runtime {

namespace {

constexpr const char* kScheme = "unix:";

bool is_number(const std::string& text) {
  return !text.empty() && text.size() <= 9 &&
         std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

// "rdu12" -> "12"
std::string number_of(const std::string& name) {
  return name.rfind("rdu", 0) == 0 && is_number(name.substr(3)) ? name.substr(3) : "";
}

bool is_character_device(const std::string& path) {
  struct stat status {};
  return ::stat(path.c_str(), &status) == 0 && S_ISCHR(status.st_mode);
}

std::string from_environment() {
  const char* variable = std::getenv("RDU_DEVICE");
  return variable == nullptr ? "" : variable;
}

}  // namespace

Address parse_address(const std::string& text) {
  if (text.rfind(kScheme, 0) == 0) {
    const std::string path = text.substr(std::string(kScheme).size());
    if (!path.empty()) return {Address::Kind::kSocket, path};
  } else if (!number_of(text).empty()) {
    return {Address::Kind::kNode, "/dev/" + text};
  } else if (text.rfind("/dev/", 0) == 0 && !number_of(text.substr(5)).empty()) {
    return {Address::Kind::kNode, text};
  } else if (!text.empty() && text.find(':') >= text.find('/')) {
    return {is_character_device(text) ? Address::Kind::kNode : Address::Kind::kSocket, text};
  }
  throw Error(RDU_ERROR_INVALID_ARGUMENT,
              "'" + text +
                  "' is no device address; expected /dev/rduN or rduN, a node of the kernel driver, or "
                  "unix:PATH, the socket of a simulator");
}

std::vector<std::string> nodes(const std::string& folder) {
  std::vector<std::pair<unsigned long, std::string>> found;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(folder, error)) {
    const std::string number = number_of(entry.path().filename().string());
    if (!number.empty()) found.emplace_back(std::stoul(number), entry.path().string());
  }
  std::sort(found.begin(), found.end());
  std::vector<std::string> paths;
  for (auto& node : found) paths.push_back(std::move(node.second));
  return paths;
}

std::string default_address(const std::string& folder) {
  const std::string chosen = from_environment();
  if (!chosen.empty()) return chosen;
  const auto all = nodes(folder);
  return all.empty() ? RDU_DEFAULT_ADDRESS : all.front();
}

std::vector<std::string> list_addresses(const std::string& folder) {
  std::vector<std::string> all;
  const auto add = [&](const std::string& address) {
    if (std::find(all.begin(), all.end(), address) == all.end()) all.push_back(address);
  };
  const auto exists = [](const std::string& address) {
    std::error_code error;
    return std::filesystem::exists(parse_address(address).path, error);
  };
  const std::string chosen = from_environment();
  if (!chosen.empty() && exists(chosen)) add(chosen);
  for (const std::string& node : nodes(folder)) add(node);
  if (exists(RDU_DEFAULT_ADDRESS)) add(RDU_DEFAULT_ADDRESS);
  return all;
}

}  // namespace rdu::runtime
