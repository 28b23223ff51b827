#include "pcie/vfio_user/negotiation.h"

#include <algorithm>
#include <cerrno>
#include <nlohmann/json.hpp>

namespace rdu::pcie::vfio_user::detail {

namespace {

Negotiated refuse(int error, std::string why, bool final = false) {
  Negotiated result;
  result.error = error;
  result.why = std::move(why);
  result.final = final;
  return result;
}

}  // namespace

Negotiated negotiate(const uint8_t* payload, size_t size, const Capabilities& ours) {
  using nlohmann::json;
  if (size < sizeof(wire::Version)) return refuse(EINVAL, "a VERSION message without a version");
  const auto version = wire::load<wire::Version>(payload);
  if (version.major != wire::kMajor)
    return refuse(EPROTONOSUPPORT,
                  "the client speaks version " + std::to_string(version.major) + "." +
                      std::to_string(version.minor) + " of the protocol, we speak 0.0",
                  true);

  Negotiated result;
  json answer = json::object();
  if (size > sizeof(wire::Version)) {
    const char* text = reinterpret_cast<const char*>(payload + sizeof(wire::Version));
    const size_t length = size - sizeof(wire::Version);
    if (text[length - 1] != '\0') return refuse(EINVAL, "the capabilities do not end with a NUL byte");
    const json data = json::parse(text, text + length - 1, nullptr, false);
    if (data.is_discarded()) return refuse(EINVAL, "the capabilities are not JSON");
    if (!data.is_object()) return refuse(EINVAL, "the version data is not a JSON object");
    const auto found = data.find("capabilities");
    if (found != data.end()) {
      const json& offered = *found;
      if (!offered.is_object()) return refuse(EINVAL, "\"capabilities\" is not a JSON object");
      struct Number {
        const char* name;
        uint64_t Capabilities::*member;
        bool may_be_zero;
      };
      static constexpr Number kNumbers[] = {
          {"max_msg_fds", &Capabilities::max_message_fds, true},
          {"max_data_xfer_size", &Capabilities::max_data_transfer, false},
          {"max_dma_maps", &Capabilities::max_dma_maps, true},
          {"pgsizes", &Capabilities::page_sizes, false},
      };
      json& accepted = answer["capabilities"] = json::object();
      for (const Number& number : kNumbers) {
        const auto entry = offered.find(number.name);
        if (entry == offered.end()) continue;
        if (!entry->is_number_unsigned() || (!number.may_be_zero && entry->get<uint64_t>() == 0))
          return refuse(EINVAL,
                        std::string("capability \"") + number.name + "\" is not a number that makes sense");
        result.client.*number.member = entry->get<uint64_t>();
        accepted[number.name] = ours.*number.member;
      }
      const auto multiple = offered.find("write_multiple");
      if (multiple != offered.end()) {
        if (!multiple->is_boolean()) return refuse(EINVAL, "capability \"write_multiple\" is not a boolean");
        result.client.write_multiple = multiple->get<bool>();
        accepted["write_multiple"] = result.client.write_multiple && ours.write_multiple;
      }
      if (accepted.contains("max_dma_maps"))
        accepted["max_dma_maps"] = std::min(ours.max_dma_maps, result.client.max_dma_maps);
    }
  }
  const wire::Version reply = {wire::kMajor, std::min(version.minor, wire::kMinor)};
  result.answer.assign(reinterpret_cast<const char*>(&reply), sizeof reply);
  result.answer += answer.dump();
  result.answer.push_back('\0');
  return result;
}

}  // namespace rdu::pcie::vfio_user::detail
