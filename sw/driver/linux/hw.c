// SPDX-License-Identifier: GPL-2.0
/*
 * Bringing the device up and down. The order of registers is that of models/pcie/hostif.regs.yaml:
 * firmware ready, mailbox, admin queue, CC.EN, CSTS.RDY.
 */

#include <linux/delay.h>
#include <linux/iopoll.h>

#include "rdu.h"
#include "regs/sysctl.h"

#define RDU_HW_LOOK_US 2000 /* between looks at a register */

const char *rdu_state_text(enum rdu_state state)
{
	switch (state) {
	case RDU_STATE_DOWN:
		return "down";
	case RDU_STATE_UP:
		return "up";
	case RDU_STATE_FAILED:
		return "failed";
	case RDU_STATE_GONE:
		return "gone";
	}
	return "unknown";
}

static const char *rdu_stage_text(u32 csts)
{
	switch (FIELD_GET(RDU_HOSTIF_CSTS_STAGE_MASK, csts)) {
	case RDU_SYSCTL_BOOT_STAGE_STAGE_RESET:
		return "reset";
	case RDU_SYSCTL_BOOT_STAGE_STAGE_ROM:
		return "ROM";
	case RDU_SYSCTL_BOOT_STAGE_STAGE_FIRMWARE:
		return "firmware";
	case RDU_SYSCTL_BOOT_STAGE_STAGE_TRAINING:
		return "training";
	case RDU_SYSCTL_BOOT_STAGE_STAGE_READY:
		return "ready";
	case RDU_SYSCTL_BOOT_STAGE_STAGE_RECOVERY:
		return "recovery";
	case RDU_SYSCTL_BOOT_STAGE_STAGE_FAILED:
		return "failed";
	default:
		return "unknown";
	}
}

/* Why the device cannot serve, or NULL. A device that was pulled out answers every read with ones.
 */
const char *rdu_hw_trouble(struct rdu_device *rdu)
{
	u32 csts = rdu_read32(rdu, RDU_HOSTIF_CSTS);

	if (csts == ~0u)
		return "the device does not answer";
	if (csts & RDU_HOSTIF_CSTS_CFS_MASK)
		return "the device reports a fatal error";
	if (!(csts & RDU_HOSTIF_CSTS_FW_MASK))
		return "its firmware has gone";
	return NULL;
}

/* Which device it is, and its limits. */
int rdu_hw_check(struct rdu_device *rdu)
{
	struct device *dev = &rdu->pdev->dev;
	u32 magic = rdu_read32(rdu, RDU_HOSTIF_MAGIC);
	u32 ours = RDU_HOSTIF_VERSION_RESET;
	u32 version;
	u64 cap;

	if (magic != RDU_HOSTIF_MAGIC_RESET)
		return dev_err_probe(dev, -ENODEV, "no RDU: its magic number is %#x, not %#x\n",
				     magic, RDU_HOSTIF_MAGIC_RESET);
	version = rdu_read32(rdu, RDU_HOSTIF_VERSION);
	if (version >> 16 != ours >> 16 || version < ours)
		return dev_err_probe(dev, -ENODEV,
				     "its registers have version %u.%u, this driver is for %u.%u\n",
				     version >> 16, version & 0xffff, ours >> 16, ours & 0xffff);
	cap = rdu_read64(rdu, RDU_HOSTIF_CAP);
	rdu->interface_version = version;
	rdu->max_entries = FIELD_GET(RDU_HOSTIF_CAP_MAX_ENTRIES_MASK, cap);
	rdu->queue_pairs = min_t(u32, FIELD_GET(RDU_HOSTIF_CAP_QUEUE_PAIRS_MASK, cap), RDU_QUEUES);
	rdu->vectors = min_t(u32, FIELD_GET(RDU_HOSTIF_CAP_VECTORS_MASK, cap), rdu->queue_pairs);
	rdu->timeout_ms = FIELD_GET(RDU_HOSTIF_CAP_TIMEOUT_MASK, cap);
	if (rdu->max_entries < 32 || rdu->queue_pairs < 2 || !rdu->vectors)
		return dev_err_probe(
			dev, -EIO,
			"its limits make no sense: %u entries, %u queue pairs, %u vectors\n",
			rdu->max_entries, rdu->queue_pairs, rdu->vectors);
	return 0;
}

/* Until CSTS has these bits under the mask: 0, -ETIMEDOUT, -ENODEV, or -EIO when it is fatal. */
static int rdu_hw_wait(struct rdu_device *rdu, u32 mask, u32 bits, u32 *csts)
{
	unsigned long deadline = jiffies + rdu_firmware_timeout * HZ;
	unsigned long report = jiffies + HZ;
	bool late;

	for (;;) {
		late = time_after(jiffies, deadline);
		*csts = rdu_read32(rdu, RDU_HOSTIF_CSTS);
		if (*csts == ~0u || READ_ONCE(rdu->abandon))
			return -ENODEV;
		if ((*csts & mask) == bits)
			return 0;
		if (*csts & RDU_HOSTIF_CSTS_CFS_MASK)
			return -EIO;
		if (FIELD_GET(RDU_HOSTIF_CSTS_STAGE_MASK, *csts) ==
		    RDU_SYSCTL_BOOT_STAGE_STAGE_RECOVERY)
			return -EIO;
		if (late)
			return -ETIMEDOUT;
		if (time_after(jiffies, report)) {
			dev_info(&rdu->pdev->dev, "waiting for the device (boot stage: %s)\n",
				 rdu_stage_text(*csts));
			report = jiffies + 5 * HZ;
		}
		usleep_range(RDU_HW_LOOK_US, 2 * RDU_HW_LOOK_US);
	}
}

static int rdu_hw_wait_firmware(struct rdu_device *rdu)
{
	u32 csts;

	return rdu_hw_wait(rdu, RDU_HOSTIF_CSTS_FW_MASK | RDU_HOSTIF_CSTS_CFS_MASK,
			   RDU_HOSTIF_CSTS_FW_MASK, &csts);
}

static int rdu_hw_disable(struct rdu_device *rdu)
{
	u32 csts;

	if (!(rdu_read32(rdu, RDU_HOSTIF_CC) & RDU_HOSTIF_CC_EN_MASK))
		return 0;
	rdu_write32(rdu, RDU_HOSTIF_CC, 0);
	return readl_poll_timeout(rdu->regs + RDU_HOSTIF_CSTS, csts,
				  !(csts & RDU_HOSTIF_CSTS_RDY_MASK), RDU_HW_LOOK_US,
				  rdu->timeout_ms * 1000);
}

/* Restarts the management core, whatever it does. */
void rdu_hw_restart(struct rdu_device *rdu)
{
	rdu_write32(rdu, RDU_HOSTIF_RESTART, RDU_HOSTIF_RESTART_KEY_RESTART);
	rdu_read32(rdu, RDU_HOSTIF_CSTS); /* it has arrived */
}

/* The firmware is there and may be asked, if need be after a restart. */
static int rdu_hw_boot(struct rdu_device *rdu)
{
	struct device *dev = &rdu->pdev->dev;
	u32 csts;
	int err;

	err = rdu_hw_wait_firmware(rdu);
	if (!err || err == -ENODEV)
		goto out;
	/*
	 * A firmware that was restarted under a host which had enabled the device waits to be
	 * disabled; one that panicked waits for a restart.
	 */
	if (rdu_hw_disable(rdu) || rdu_hw_trouble(rdu)) {
		rdu_hw_restart(rdu);
		err = rdu_hw_wait_firmware(rdu);
	} else {
		err = 0;
	}
out:
	if (!err)
		return 0;
	csts = rdu_read32(rdu, RDU_HOSTIF_CSTS);
	if (csts == ~0u)
		return dev_err_probe(dev, -ENODEV, "the device does not answer\n");
	if (FIELD_GET(RDU_HOSTIF_CSTS_STAGE_MASK, csts) == RDU_SYSCTL_BOOT_STAGE_STAGE_RECOVERY)
		return dev_err_probe(
			dev, -EIO,
			"no firmware that can be booted (boot error %#x): it waits for an image\n",
			FIELD_GET(RDU_HOSTIF_CSTS_ERROR_MASK, csts));
	return dev_err_probe(dev, err,
			     "the firmware is not ready (boot stage: %s, boot error %#x)\n",
			     rdu_stage_text(csts), FIELD_GET(RDU_HOSTIF_CSTS_ERROR_MASK, csts));
}

static int rdu_hw_agree(struct rdu_device *rdu)
{
	struct device *dev = &rdu->pdev->dev;
	u32 status, version;
	int err;

	rdu_write32(rdu, RDU_HOSTIF_MBOX_REQUEST, RDU_MBOX_ABI_VERSION);
	err = readl_poll_timeout(rdu->regs + RDU_HOSTIF_MBOX_STATUS, status,
				 !(status & RDU_HOSTIF_MBOX_STATUS_BUSY_MASK), RDU_HW_LOOK_US,
				 rdu_firmware_timeout * USEC_PER_SEC);
	if (err)
		return dev_err_probe(dev, err, "the firmware does not answer in the mailbox\n");
	version = rdu_read32(rdu, RDU_HOSTIF_MBOX_RESPONSE);
	if (version != RDU_ABI_VERSION)
		return dev_err_probe(dev, -EPROTO,
				     "the firmware speaks interface version %u, this driver %u\n",
				     version, RDU_ABI_VERSION);
	return 0;
}

static int rdu_hw_enable(struct rdu_device *rdu)
{
	struct rdu_ring *ring = &rdu->admin.ring;
	u32 csts;
	int err;

	/* A predecessor that left without goodbye may have left the queues enabled. */
	err = rdu_hw_disable(rdu);
	if (err)
		return dev_err_probe(&rdu->pdev->dev, err,
				     "the firmware does not disable the queues\n");
	pci_set_master(rdu->pdev);
	spin_lock_irq(&rdu->admin.ring_lock);
	rdu_ring_clear(ring);
	spin_unlock_irq(&rdu->admin.ring_lock);
	rdu_write32(rdu, RDU_HOSTIF_AQA,
		    FIELD_PREP(RDU_HOSTIF_AQA_ASQS_MASK, ring->entries - 1) |
			    FIELD_PREP(RDU_HOSTIF_AQA_ACQS_MASK, ring->entries - 1));
	rdu_write64(rdu, RDU_HOSTIF_ASQ, ring->sq_dma);
	rdu_write64(rdu, RDU_HOSTIF_ACQ, ring->cq_dma);
	rdu_write32(rdu, RDU_HOSTIF_CC, RDU_HOSTIF_CC_EN_MASK);
	err = rdu_hw_wait(rdu, RDU_HOSTIF_CSTS_RDY_MASK, RDU_HOSTIF_CSTS_RDY_MASK, &csts);
	if (err)
		return dev_err_probe(&rdu->pdev->dev, err,
				     "the firmware does not enable the queues\n");
	return 0;
}

static int rdu_hw_identify(struct rdu_device *rdu)
{
	struct rdu_command command = {
		.sqe = {.opcode = RDU_ADMIN_IDENTIFY},
		.reply = &rdu->identify,
		.bytes = sizeof(rdu->identify),
		.address = 0,
	};
	struct rdu_log_firmware *firmware;
	ssize_t got;
	int err;

	err = rdu_admin_checked(rdu, &command);
	if (err)
		return dev_err_probe(&rdu->pdev->dev, err, "IDENTIFY failed\n");
	rdu->identify.model[sizeof(rdu->identify.model) - 1] = '\0';
	rdu->identify.firmware[sizeof(rdu->identify.firmware) - 1] = '\0';

	firmware = kzalloc(sizeof(*firmware), GFP_KERNEL);
	if (!firmware)
		return -ENOMEM;
	got = rdu_admin_read_log(rdu, RDU_LOG_FIRMWARE, 0, firmware, sizeof(*firmware));
	if (got >= (ssize_t)sizeof(firmware->serial))
		rdu->serial = firmware->serial;
	kfree(firmware);
	return got < 0 ? got : 0;
}

/**
 * rdu_hw_start() - Brings the device up
 * @rdu: the device, hw held for writing
 *
 * Return: 0 and the state is UP, or why not (logged) and the state is FAILED.
 */
int rdu_hw_start(struct rdu_device *rdu)
{
	int err;

	WRITE_ONCE(rdu->sick, false);
	err = rdu_hw_boot(rdu);
	if (!err)
		err = rdu_hw_agree(rdu);
	if (!err)
		err = rdu_hw_enable(rdu);
	if (!err)
		err = rdu_hw_identify(rdu);
	if (err) {
		pci_clear_master(rdu->pdev);
		rdu->state = RDU_STATE_FAILED;
		return err;
	}
	rdu_window_start(rdu);
	rdu->state = RDU_STATE_UP;
	return 0;
}

/**
 * rdu_hw_stop() - Takes everything back from the device: its contexts are lost
 * @rdu: the device, hw held for writing
 * @answers: it may be asked to stop. If not, or if it does not, it loses the right to reach host
 * memory
 * @error: what the contexts' users get
 *
 * Afterwards the state is DOWN, and the device touches no memory of the host.
 */
void rdu_hw_stop(struct rdu_device *rdu, bool answers, int error)
{
	struct rdu_file *file;

	rdu->state = error == -ENODEV ? RDU_STATE_GONE : RDU_STATE_DOWN;
	rdu_window_stop(rdu);
	mutex_lock(&rdu->files_lock);
	list_for_each_entry (file, &rdu->files, link)
		rdu_context_lose(file, error);
	if (!answers || rdu_read32(rdu, RDU_HOSTIF_CSTS) == ~0u || rdu_hw_disable(rdu))
		pci_clear_master(rdu->pdev);
	list_for_each_entry (file, &rdu->files, link)
		rdu_context_forget(file);
	mutex_unlock(&rdu->files_lock);
}

/* Before the power goes: lets commands finish, as long as the device may take for that. */
void rdu_hw_shutdown(struct rdu_device *rdu)
{
	u32 csts;

	if (rdu->state != RDU_STATE_UP)
		return;
	rdu_write32(rdu, RDU_HOSTIF_CC,
		    RDU_HOSTIF_CC_EN_MASK |
			    FIELD_PREP(RDU_HOSTIF_CC_SHN_MASK, RDU_HOSTIF_CC_SHN_NORMAL));
	if (readl_poll_timeout(rdu->regs + RDU_HOSTIF_CSTS, csts,
			       FIELD_GET(RDU_HOSTIF_CSTS_SHST_MASK, csts) ==
				       RDU_HOSTIF_CSTS_SHST_DONE,
			       RDU_HW_LOOK_US, rdu->timeout_ms * 1000))
		dev_warn(&rdu->pdev->dev, "commands did not finish before the shutdown\n");
}
