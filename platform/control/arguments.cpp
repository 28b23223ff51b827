#include "platform/control/arguments.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>

#include "platform/closest.h"

namespace rdu::platform::control {

void unknown(const std::string& what, const std::string& name, const std::vector<std::string>& known) {
  const std::string near = closest(name, known);
  throw Refusal(fmt::format("unknown {} '{}'{}", what, name,
                            near.empty() ? "" : fmt::format(" (did you mean '{}'?)", near)));
}

Arguments::Arguments(Json request) : request_(std::move(request)) {
  if (!request_.is_object()) throw Refusal("a request is a JSON object, as {\"command\": \"help\"}");
}

const Arguments::Json& Arguments::take(const char* name) {
  if (!has(name)) throw Refusal(fmt::format("'{}' is missing", name));
  taken_.insert(name);
  return request_.at(name);
}

std::string Arguments::text(const char* name) {
  const Json& value = take(name);
  if (!value.is_string()) throw Refusal(fmt::format("'{}' should be text, it is {}", name, value.dump()));
  return value.get<std::string>();
}

std::string Arguments::text(const char* name, const std::vector<std::string>& choices) {
  const std::string value = text(name);
  if (std::find(choices.begin(), choices.end(), value) == choices.end()) unknown(name, value, choices);
  return value;
}

uint64_t Arguments::number(const char* name) {
  const Json& value = take(name);
  if (value.is_number_unsigned()) return value.get<uint64_t>();
  if (value.is_string()) {
    const std::string text = value.get<std::string>();
    char* end = nullptr;
    errno = 0;
    const uint64_t number = std::strtoull(text.c_str(), &end, 0);
    if (!text.empty() && text[0] != '-' && *end == 0 && errno == 0) return number;
  }
  throw Refusal(fmt::format("'{}' should be a number of 64 bits without sign, it is {}", name, value.dump()));
}

double Arguments::seconds(const char* name, double otherwise) {
  if (!has(name)) return otherwise;
  const Json& value = take(name);
  if (!value.is_number() || value.get<double>() < 0 || value.get<double>() > 1e6)
    throw Refusal(fmt::format("'{}' should be a number of seconds, it is {}", name, value.dump()));
  return value.get<double>();
}

bool Arguments::flag(const char* name) {
  if (!has(name)) return false;
  const Json& value = take(name);
  if (!value.is_boolean())
    throw Refusal(fmt::format("'{}' should be true or false, it is {}", name, value.dump()));
  return value.get<bool>();
}

Arguments::Json Arguments::any(const char* name) {
  return has(name) ? take(name) : Json();
}

void Arguments::finish() const {
  for (const auto& [name, value] : request_.items()) {
    if (taken_.count(name) == 0)
      unknown("member", name, std::vector<std::string>(taken_.begin(), taken_.end()));
  }
}

}  // namespace rdu::platform::control
