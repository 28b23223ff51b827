#ifndef RDU_FW_HAL_CRYPTO_H
#define RDU_FW_HAL_CRYPTO_H

/* The cryptography block. Both sleep until it has ended (hal_idle) and return false if it reports an error.
 */

#include <stdbool.h>
#include <stdint.h>

bool crypto_sha256(const void* data, uint64_t bytes, uint8_t digest[32]);
/* Is `signature` the Ed25519 signature of `data` by `key`? */
bool crypto_verify(const uint8_t key[32], const uint8_t signature[64], const void* data, uint64_t bytes,
                   bool* valid);

/* For images that serve interrupts: no more of them until the next command. */
void crypto_interrupt(void);

#endif
