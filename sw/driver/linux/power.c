// SPDX-License-Identifier: GPL-2.0
/*
 * Sleep, and what the PCI core reports: resets, errors. In all of them the device may lose its
 * memory, so its contexts are lost, and their users get -EIO; afterwards the device is brought up
 * as at the beginning.
 */

#include "rdu.h"

static void rdu_power_down(struct rdu_device *rdu, bool answers)
{
	/* Who waits for the firmware lets go of hw. */
	WRITE_ONCE(rdu->sick, true);
	wake_up_all(&rdu->admin.wait);
	down_write(&rdu->hw);
	if (rdu->state != RDU_STATE_GONE && rdu->state != RDU_STATE_DOWN)
		rdu_hw_stop(rdu, answers, -EIO);
	up_write(&rdu->hw);
}

static int rdu_power_up(struct rdu_device *rdu)
{
	int err = 0;

	down_write(&rdu->hw);
	if (rdu->state == RDU_STATE_DOWN)
		err = rdu_hw_start(rdu);
	up_write(&rdu->hw);
	return err;
}

/* --- sleep --- */

static int rdu_suspend(struct device *dev)
{
	struct rdu_device *rdu = dev_get_drvdata(dev);

	rdu_power_down(rdu, true);
	cancel_delayed_work_sync(&rdu->watch);
	cancel_work_sync(&rdu->reset_work);
	return 0;
}

/* A device that does not come up stays, as failed: the system wakes up without it. */
static int rdu_resume(struct device *dev)
{
	rdu_power_up(dev_get_drvdata(dev));
	return 0;
}

const struct dev_pm_ops rdu_pm_ops = {SYSTEM_SLEEP_PM_OPS(rdu_suspend, rdu_resume)};

/* --- resets by others, as through sysfs --- */

static void rdu_reset_prepare(struct pci_dev *pdev)
{
	rdu_power_down(pci_get_drvdata(pdev), true);
}

static void rdu_reset_done(struct pci_dev *pdev)
{
	struct rdu_device *rdu = pci_get_drvdata(pdev);

	atomic64_inc(&rdu->counters.resets);
	rdu_power_up(rdu);
}

/* --- errors --- */

static pci_ers_result_t rdu_error_detected(struct pci_dev *pdev, pci_channel_state_t state)
{
	struct rdu_device *rdu = pci_get_drvdata(pdev);

	switch (state) {
	case pci_channel_io_normal:
		dev_warn(&rdu->dev, "PCI error: the link works\n");
		return PCI_ERS_RESULT_CAN_RECOVER;
	case pci_channel_io_frozen:
		dev_warn(&rdu->dev, "PCI error: the link will be reset\n");
		rdu_power_down(rdu, false);
		return PCI_ERS_RESULT_NEED_RESET;
	default:
		dev_err(&rdu->dev, "PCI error: the device is given up\n");
		rdu_power_down(rdu, false);
		return PCI_ERS_RESULT_DISCONNECT;
	}
}

/* After an error that left the link as it was: does the device still make sense? */
static pci_ers_result_t rdu_mmio_enabled(struct pci_dev *pdev)
{
	struct rdu_device *rdu = pci_get_drvdata(pdev);
	const char *trouble;

	down_read(&rdu->hw);
	trouble = rdu->state == RDU_STATE_UP ? rdu_hw_trouble(rdu) : NULL;
	up_read(&rdu->hw);
	if (!trouble)
		return PCI_ERS_RESULT_RECOVERED;
	dev_warn(&rdu->dev, "PCI error: %s\n", trouble);
	rdu_power_down(rdu, false);
	return PCI_ERS_RESULT_NEED_RESET;
}

static pci_ers_result_t rdu_slot_reset(struct pci_dev *pdev)
{
	struct rdu_device *rdu = pci_get_drvdata(pdev);

	atomic64_inc(&rdu->counters.resets);
	rdu_power_down(rdu, false);
	pci_restore_state(pdev);
	pci_save_state(pdev); /* for the next time */
	return PCI_ERS_RESULT_RECOVERED;
}

static void rdu_error_resume(struct pci_dev *pdev)
{
	struct rdu_device *rdu = pci_get_drvdata(pdev);

	if (!rdu_power_up(rdu))
		dev_info(&rdu->dev, "PCI error: recovered\n");
}

const struct pci_error_handlers rdu_error_handlers = {
	.error_detected = rdu_error_detected,
	.mmio_enabled = rdu_mmio_enabled,
	.slot_reset = rdu_slot_reset,
	.resume = rdu_error_resume,
	.reset_prepare = rdu_reset_prepare,
	.reset_done = rdu_reset_done,
};
