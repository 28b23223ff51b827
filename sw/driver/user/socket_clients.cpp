#include "user/socket_clients.h"

#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <linux/unix_diag.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <set>
#include <system_error>

namespace rdu::user {

namespace {

namespace fs = std::filesystem;

bool is_same(const std::string& bound, const std::string& path) {
  std::error_code error;
  return bound == path || fs::equivalent(bound, path, error);
}

// The attributes of one socket of the list: its name and its peer.
void read_socket(const nlmsghdr& message, const std::string& path, std::set<uint32_t>& peers) {
  const auto* const socket = static_cast<const unix_diag_msg*>(NLMSG_DATA(&message));
  std::string name;
  uint32_t peer = 0;
  auto* attribute = reinterpret_cast<const nlattr*>(socket + 1);
  size_t left = message.nlmsg_len - NLMSG_LENGTH(sizeof *socket);
  while (left >= sizeof *attribute && attribute->nla_len >= sizeof *attribute && attribute->nla_len <= left) {
    const auto* const data = reinterpret_cast<const char*>(attribute) + NLA_HDRLEN;
    const size_t bytes = attribute->nla_len - NLA_HDRLEN;
    if (attribute->nla_type == UNIX_DIAG_NAME) name.assign(data, ::strnlen(data, bytes));
    if (attribute->nla_type == UNIX_DIAG_PEER && bytes >= sizeof peer) std::memcpy(&peer, data, sizeof peer);
    const size_t whole = std::min<size_t>(left, NLA_ALIGN(attribute->nla_len));
    attribute = reinterpret_cast<const nlattr*>(reinterpret_cast<const char*>(attribute) + whole);
    left -= whole;
  }
  if (peer != 0 && !name.empty() && is_same(name, path)) peers.insert(peer);
}

// Inodes of the sockets that are connected to the one at `path` (sock_diag(7)).
std::set<uint32_t> peers_of(const std::string& path) {
  std::set<uint32_t> peers;
  const int diag = ::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
  if (diag < 0) return peers;
  const timeval limit{1, 0};
  ::setsockopt(diag, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  struct {
    nlmsghdr header;
    unix_diag_req request;
  } question{};
  question.header.nlmsg_len = sizeof question;
  question.header.nlmsg_type = SOCK_DIAG_BY_FAMILY;
  question.header.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
  question.request.sdiag_family = AF_UNIX;
  question.request.udiag_states = ~0u;
  question.request.udiag_show = UDIAG_SHOW_NAME | UDIAG_SHOW_PEER;
  bool more = ::send(diag, &question, sizeof question, 0) == sizeof question;
  alignas(nlmsghdr) std::array<char, 32 * 1024> answer;
  while (more) {
    auto left = ::recv(diag, answer.data(), answer.size(), 0);
    more = left > 0;
    const auto* message = reinterpret_cast<const nlmsghdr*>(answer.data());
    for (; more && NLMSG_OK(message, left); message = NLMSG_NEXT(message, left)) {
      if (message->nlmsg_type == SOCK_DIAG_BY_FAMILY) {
        read_socket(*message, path, peers);
      } else {
        more = false;  // the end, or an error
      }
    }
  }
  ::close(diag);
  return peers;
}

bool has_one_of(const fs::path& process, const std::set<uint32_t>& inodes) {
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(process / "fd", error)) {
    const std::string target = fs::read_symlink(entry.path(), error).string();
    if (error || target.rfind("socket:[", 0) != 0) continue;
    if (inodes.count(static_cast<uint32_t>(std::strtoul(target.c_str() + 8, nullptr, 10))) != 0) return true;
  }
  return false;
}

}  // namespace

std::vector<std::string> socket_clients(const std::string& path) {
  std::vector<std::string> found;
  const std::set<uint32_t> peers = peers_of(path);
  if (peers.empty()) return found;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator("/proc", error)) {
    const std::string pid = entry.path().filename().string();
    if (pid.find_first_not_of("0123456789") != std::string::npos || pid == std::to_string(::getpid()))
      continue;
    if (!has_one_of(entry.path(), peers)) continue;
    std::string name;
    std::getline(std::ifstream(entry.path() / "comm"), name);
    found.push_back((name.empty() ? "a process" : name) + " (pid " + pid + ")");
  }
  return found;
}

}  // namespace rdu::user
