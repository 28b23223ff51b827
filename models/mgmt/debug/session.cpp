#include "mgmt/debug/session.h"

namespace rdu::mgmt::debug {

Session::Session(Target& target, Stub::Monitor monitor, Write write)
    : target_(target),
      write_(std::move(write)),
      stub_(
          target, [this](const std::string& payload) { send(payload); }, std::move(monitor)) {}

void Session::open() {
  reader_ = {};
  last_.clear();
  pending_ = false;
  stub_.attached();
}

void Session::send(const std::string& payload) {
  last_ = frame(payload);
  write_(last_);
}

void Session::work() {
  while (!detached() && !killed()) {
    if (pending_) {
      if (running()) return;
      pending_ = false;
      stub_.handle(reader_.payload());
      continue;
    }
    switch (reader_.next()) {
      case PacketReader::Event::none:
        return;
      case PacketReader::Event::ack:
        break;
      case PacketReader::Event::nack:
        if (!last_.empty() && stub_.acknowledges()) write_(last_);
        break;
      case PacketReader::Event::interrupt:
        if (running()) target_.interrupt();
        break;
      case PacketReader::Event::damaged:
        if (stub_.acknowledges()) write_("-");
        break;
      case PacketReader::Event::packet:
        if (stub_.acknowledges()) write_("+");
        pending_ = true;
        if (running()) target_.interrupt();
        break;
    }
  }
}

}  // namespace rdu::mgmt::debug
