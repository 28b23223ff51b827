#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <stdexcept>
#include <string>
#include <vector>

namespace rdu::platform::control {

/// A request that cannot be carried out: the text says why.
class Refusal : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// "unknown register 'STATSU' (did you mean 'STATUS'?)"
[[noreturn]] void unknown(const std::string& what, const std::string& name,
                          const std::vector<std::string>& known);

/// The members of a request, taken one by one. Each function throws Refusal if a member is missing or of
/// another kind.
class Arguments {
 public:
  using Json = nlohmann::ordered_json;
  /// Throws Refusal unless it is an object.
  explicit Arguments(Json request);

  bool has(const char* name) const { return request_.contains(name); }
  std::string text(const char* name);
  std::string text(const char* name, const std::vector<std::string>& choices);
  /// A number, or text as "0x10".
  uint64_t number(const char* name);
  uint64_t number(const char* name, uint64_t otherwise) { return has(name) ? number(name) : otherwise; }
  double seconds(const char* name, double otherwise);
  bool flag(const char* name);
  /// Whatever it is; null if it is not there.
  Json any(const char* name);

  /// Throws Refusal if there are members that nobody has asked for.
  void finish() const;

 private:
  const Json& take(const char* name);

  Json request_;
  std::set<std::string> taken_;
};

}  // namespace rdu::platform::control
