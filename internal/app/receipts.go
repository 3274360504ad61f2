package app

import (
	"context"
	"fmt"

	"carewire/internal/httpapi"
	"carewire/internal/httpapi/webhook"
	"carewire/internal/notify/receipt"
	"carewire/internal/sandbox"
)

// receiptSettings are the settings of the webhooks for delivery receipts.
type receiptSettings struct {
	emailTopics, smsTopics        []string
	whatsAppSecret, whatsAppToken string
	twilioToken                   string
	// snsEndpoint is the URL of the sandbox, which serves the certificate of SNS; empty for Amazon.
	snsEndpoint string
}

// receiptSettings returns the settings, which are those of the sandbox in demo mode.
func (s *Service) receiptSettings() receiptSettings {
	if s.pipeline.providers.sandbox != nil {
		return receiptSettings{
			emailTopics: []string{sandbox.EmailTopicARN}, smsTopics: []string{sandbox.SMSTopicARN}, whatsAppSecret: sandbox.WhatsAppAppSecret,
			whatsAppToken: sandbox.WhatsAppVerifyToken, twilioToken: sandbox.TwilioAuthToken, snsEndpoint: "http://" + s.pipeline.providers.address,
		}
	}
	return receiptSettings{
		emailTopics: s.cfg.SESTopicARNs, smsTopics: s.cfg.SMSTopicARNs, whatsAppSecret: s.cfg.WhatsAppAppSecret,
		whatsAppToken: s.cfg.WhatsAppVerifyToken, twilioToken: s.cfg.TwilioAuthToken,
	}
}

// registerWebhooks adds the webhooks of the providers for which there are settings.
func (s *Service) registerWebhooks(server *httpapi.Server) error {
	set := s.receiptSettings()
	cfg := webhook.Config{
		Applier: s.pipeline.worker.NewReceiptApplier(s.pipeline.river), Writer: s.pipeline.writer, Observe: s.metrics.observeReceipts, Logger: s.logger,
	}
	if len(set.emailTopics) > 0 {
		sns, err := receipt.NewSNS(receipt.SNSConfig{TopicARNs: set.emailTopics, Endpoint: set.snsEndpoint})
		if err != nil {
			return fmt.Errorf("CAREWIRE_SES_TOPIC_ARN: %w", err)
		}
		cfg.SES = receipt.NewSES(sns)
	}
	if len(set.smsTopics) > 0 {
		sns, err := receipt.NewSNS(receipt.SNSConfig{TopicARNs: set.smsTopics, Endpoint: set.snsEndpoint})
		if err != nil {
			return fmt.Errorf("CAREWIRE_SMS_TOPIC_ARN: %w", err)
		}
		cfg.SMS = receipt.NewSMS(sns)
	}
	if set.whatsAppSecret != "" {
		cfg.WhatsApp = receipt.NewWhatsApp(set.whatsAppSecret, set.whatsAppToken)
	}
	if set.twilioToken != "" {
		cfg.Twilio = receipt.NewTwilio(set.twilioToken)
	}
	hooks, err := webhook.Register(server, cfg)
	if err != nil {
		return err
	}
	s.lifecycle.run("webhook audit", func(ctx context.Context) error { return hooks.Run(ctx) })
	return nil
}
