#include "runtime/translate.h"

#include <new>
#include <system_error>

#include "user/command_stream.h"
#include "user/errors.h"
#include "user/vfio_user_client.h"

namespace rdu::runtime {

namespace {

rdu_result result_of(user::DeviceError::Kind kind) {
  switch (kind) {
    case user::DeviceError::Kind::kIncompatible:
      return RDU_ERROR_INCOMPATIBLE;
    case user::DeviceError::Kind::kFirmware:
      return RDU_ERROR_FIRMWARE;
    case user::DeviceError::Kind::kProtocol:
      return RDU_ERROR_PROTOCOL;
  }
  return RDU_ERROR_INTERNAL;
}

rdu_result result_of_refusal(uint16_t status) {
  switch (status) {
    case RDU_STATUS_NO_MEMORY:
      return RDU_ERROR_NO_MEMORY;
    case RDU_STATUS_NO_RESOURCE:
      return RDU_ERROR_NO_RESOURCE;
    case RDU_STATUS_IN_USE:
      return RDU_ERROR_IN_USE;
    default:
      return RDU_ERROR_REJECTED;
  }
}

}  // namespace

void rethrow(rdu_result timeout_means) {
  try {
    throw;
  } catch (const user::DeviceLost& error) {
    throw Error(RDU_ERROR_DEVICE_LOST, error.what());
  } catch (const user::Timeout& error) {
    throw Error(timeout_means, error.what());
  } catch (const user::VfioUserError& error) {
    throw Error(RDU_ERROR_PROTOCOL, error.what());
  } catch (const user::DeviceError& error) {
    throw Error(result_of(error.kind()), error.what());
  } catch (const user::CommandError& error) {
    throw Error(result_of_refusal(error.status()), error.what());
  } catch (const user::QueueClosed& error) {
    throw Error(RDU_ERROR_ABORTED, error.what());
  } catch (const std::bad_alloc&) {
    throw Error(RDU_ERROR_NO_MEMORY, "out of host memory or bus addresses");
  } catch (const std::system_error& error) {
    throw Error(RDU_ERROR_NO_MEMORY, error.what());
  }
}

}  // namespace rdu::runtime
