#include "pcie/vfio_user/server.h"

#include "pcie/vfio_user/engine.h"

namespace rdu::pcie::vfio_user {

Server::Server(std::string path, Device& device, Options options)
    : engine_(std::make_unique<detail::Engine>(std::move(path), device, std::move(options))) {}

Server::~Server() = default;

void Server::start() {
  engine_->start(UniqueFd());
}
void Server::start(UniqueFd connection) {
  engine_->start(std::move(connection));
}
void Server::hang_up() {
  engine_->hang_up();
}

void Server::stop() {
  engine_->stop();
}
std::optional<Request> Server::next() {
  return engine_->next();
}
bool Server::wait(std::chrono::milliseconds timeout) {
  return engine_->wait(timeout);
}
void Server::wake() {
  engine_->wake();
}
void Server::execute(Request& request) {
  engine_->execute(request);
}
int Server::perform(Request& request) {
  return engine_->perform(request);
}
bool Server::connected() const {
  return engine_->connected();
}
DmaMap& Server::dma() {
  return engine_->dma();
}
IrqVectors& Server::irqs() {
  return engine_->irqs();
}
const std::string& Server::path() const {
  return engine_->path();
}

}  // namespace rdu::pcie::vfio_user
